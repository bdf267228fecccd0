"""Prints the script that completes vtctap's commands and options in a shell.

Installed packages put these scripts where the shells look for them; otherwise load one in the shell's start file:

bash   eval "$(vtctap completion bash)"      in ~/.bashrc
zsh    eval "$(vtctap completion zsh)"       in ~/.zshrc, after compinit
fish   vtctap completion fish | source       in ~/.config/fish/config.fish
"""

import argparse
import sys

from vtctap.errors import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from vtctap.command_line.pages import SHELLS

    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.command_line.pages import completion

    sys.stdout.write(completion(arguments.shell))
    return DONE
