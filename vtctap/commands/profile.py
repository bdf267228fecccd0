"""Lists and shows protocol profiles: line, timing limits, registers and tables, each with its source and confidence."""

import argparse
import json

from vtctap.commands.common import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=("list", "show"), help="list the shipped profiles, or show one")
    parser.add_argument("name", nargs="?", help="the profile to show: a name, or a file (default: the default profile)")
    parser.add_argument("--json", action="store_true", help="for list: one object a profile")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector import profile

    if arguments.action == "show":
        print(profile.text(arguments.name or profile.DEFAULT), end="")
        return 0
    if arguments.name:
        raise CommandError("'profile list' takes no name; did you mean 'profile show'?")
    for name in profile.shipped():
        entry = profile.load(name)
        if arguments.json:
            print(json.dumps({"name": name, "title": entry.title, "confidence": entry.provenance.confidence}))
        else:
            print(f"{name:14}{entry.title} ({entry.provenance.confidence})")
    return 0
