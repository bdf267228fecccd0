"""Shows the help of a command, or a page of the installed documentation.

vtctap help            the commands
vtctap help capture    the help of a command
vtctap help pages      the pages of the documentation
vtctap help fields     a page, as Markdown: vtctap help fields | less
"""

import argparse

from vtctap.errors import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "name", nargs="?", metavar="COMMAND|PAGE", help="the command or page to show; 'pages' lists the pages"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.command_line.parsers import COMMANDS, command_parser, main_parser

    if arguments.name is None:
        main_parser().print_help()
    elif arguments.name in COMMANDS:
        command_parser(arguments.name).print_help()
    elif arguments.name == "pages":
        from vtctap.command_line.pages import pages

        for name, title in pages().items():
            print(f"{name:14}{title}")
    else:
        from vtctap.command_line.pages import page

        print(page(arguments.name), end="")
    return DONE
