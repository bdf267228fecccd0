"""Manages protocol profiles: line, timing limits, registers and tables, each with its source and confidence.

vtctap profile list                           list all profiles, vtctap's and your own
vtctap profile show [NAME]                    show the text of a profile
vtctap profile check [TRACE...] [--profile P] check that it is valid, how much of the traces it explains, and which
                                              records contradict it
vtctap profile learn TRACE... [-o FILE]       write what traces show of the protocol as a profile, for you to complete
vtctap profile new NAME [-o FILE]             write an empty profile into the folder of your profiles
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD, STATED, add_profile, profile_of
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import output_errors, refuse_existing, refuse_same, write_text
from vtctap.errors import DONE, FOUND, CommandError
from vtctap.parallel.each_trace import each_trace
from vtctap.parallel.jobs import add_jobs

if TYPE_CHECKING:
    from vtctap.dissector.analysis.coverage import Coverage
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.learning.learner import Learner
    from vtctap.dissector.profiles.model import Profile

_SHOWN = 20
_LISTED = 10_000
"""Most contradictions listed in JSON."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("action", choices=("list", "show", "check", "learn", "new"), help="the action, see above")
    parser.add_argument("names", nargs="*", metavar="NAME|TRACE", help="a profile's name, or traces")
    parser.add_argument("--json", action="store_true", help="for list, show and check: print JSON")
    parser.add_argument(
        "-o", dest="output", metavar="FILE", help="for learn and new: the profile to write; - is standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument(
        "--evidence", metavar="FILE", help="for learn: write a page (.html or .md) without data of customers"
    )
    parser.add_argument("--inherits", metavar="P", help="for learn and new: the profile to build on")
    add_jobs(parser, "for learn: ")
    add_profile(parser, "for check: ", default=f"{STATED}, without a trace the first in that list")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.profile and arguments.action != "check":
        hint = " (did you mean --inherits?)" if arguments.action in ("learn", "new") else ""
        raise CommandError(f"--profile is for 'profile check'{hint}")
    action = {"list": _list, "show": _show, "check": _check, "learn": _learn, "new": _new}[arguments.action]
    return action(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.model import ProfileError
    from vtctap.dissector.profiles.names import shipped, users

    if arguments.names:
        raise CommandError("'profile list' takes no name; did you mean 'profile show'?")
    status = DONE
    for name in (*shipped(), *users()):
        try:
            entry = load(name)
        except ProfileError as error:
            warn(str(error))
            status = FOUND
            continue
        if arguments.json:
            print(json.dumps({"name": name, "title": entry.title, "confidence": entry.provenance.confidence}))
        else:
            print(f"{name:14}{entry.title} ({entry.provenance.confidence})")
    return status


def _show(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.profiles.files import load, text
    from vtctap.dissector.profiles.names import DEFAULT

    if len(arguments.names) > 1:
        raise CommandError("'profile show' takes one name")
    name = arguments.names[0] if arguments.names else DEFAULT
    if arguments.json:
        print(json.dumps(asdict(load(name))))
    else:
        sys.stdout.write(text(name))
    return DONE


def _traces(reading: Reading, names: list[str]) -> "Iterator[tuple[str, Iterator[Dissection], Profile]]":
    """Yields each trace's name, its dissections, and the profile: ``--profile``, or the one that the trace states."""
    from vtctap.dissector.dissect import Dissector

    for name in names:
        records, profile = reading.settle(Traces([name], bar=False), name if len(names) > 1 else "")
        yield name, Dissector(profile).each(records), profile


def _check(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.analysis.coverage import Coverage
    from vtctap.dissector.learning.contradictions import Contradictions

    wrong = [name for name in arguments.names if name.endswith(".toml")]
    if wrong:
        raise CommandError(f"{wrong[0]} is a profile, not a trace: write --profile {wrong[0]}")
    if not arguments.names:
        return _valid(profile_of(arguments), as_json=arguments.json)
    coverage, found, reading = Coverage(), 0, Reading(arguments.profile)
    listed: list[dict[str, object]] = []
    profiles: dict[str, None] = {}
    for name, dissections, profile in _traces(reading, arguments.names):
        profiles[profile.name] = None
        contradictions = Contradictions(profile)
        for contradiction in contradictions.all(coverage.counting(dissections, profile)):
            found += 1
            if not arguments.json:
                where = f"{name}: " if len(arguments.names) > 1 else ""
                print(f"{where}record {contradiction.record}: {contradiction.about}: {contradiction.shows}")
            elif len(listed) < _LISTED:
                listed.append({"trace": name, **asdict(contradiction)})
    if arguments.json:
        counts = {**coverage.as_json(), "contradicting": found, "contradictions": listed}
        print(json.dumps({"profile": ", ".join(sorted(profiles)), **counts}))
    else:
        _print_coverage(coverage)
        print(f"contradictions    {found}")
    return FOUND if found else reading.status


def _print_coverage(coverage: "Coverage") -> None:
    print(f"messages known    {_share(coverage.messages, coverage.frames)}")
    print(f"data sets named   {_share(coverage.named, coverage.data_sets)}")
    print(f"values decoded    {_share(coverage.decoded, coverage.values)} of those with an encoding in the profile")
    print(f"based on an assumption: {_share(coverage.assumed, coverage.frames)} frames")
    for title, counts in (("without a name", coverage.unnamed), ("not of their form", coverage.undecoded)):
        for register, times in counts.most_common(_SHOWN):
            print(f"{title}: {register} ({times})")
        if len(counts) > _SHOWN:
            print(f"{title}: {count(len(counts) - _SHOWN, 'more register')}")


def _valid(profile: "Profile", *, as_json: bool) -> int:
    """Prints that a loaded profile is valid."""
    if as_json:
        print(json.dumps({"profile": profile.name, "valid": True}))
    else:
        holds = f"{count(len(profile.registers), 'register')}, {count(len(profile.tables), 'table')}"
        print(f"{profile.name} is valid: {holds}")
    return DONE


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({100 * part // whole} %)" if whole else "")


def _learn(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.learning.draft import Learned, draft, parent_of
    from vtctap.dissector.learning.learner import Learner
    from vtctap.dissector.profiles.files import load

    if not arguments.names:
        raise CommandError("'profile learn' needs a trace: add its name")
    output = arguments.output or STANDARD
    refuse_same(output, arguments.evidence)
    for name in filter(None, (output, arguments.evidence)):
        refuse_existing(name, force=arguments.force)
    page = _page(arguments.evidence)
    reading = Reading(_base(arguments)[0] if arguments.inherits else None, option="--inherits")
    learner, base = Learner(), None
    for _, (learned, profile) in each_trace(_learned, arguments, reading, [[name] for name in arguments.names]):
        base = base or profile
        learner += learned
    assert base
    parent = arguments.inherits or parent_of(Learned(learner.answers()), base)
    if parent != base.name and not arguments.inherits:
        base = load(parent)
    if not learner.registers:
        warn("no undamaged frame names a register, so the profile has none")
    name = Path(output).stem if output != STANDARD else "learned"
    traces = ["standard input" if trace == STANDARD else Path(trace).name for trace in arguments.names]
    if page:
        write_text(arguments.evidence, page(learner), force=arguments.force, encoding="utf-8")
    write_text(output, draft(learner, base, parent=parent, name=name, traces=traces), force=arguments.force)
    return reading.status


def _learned(arguments: argparse.Namespace, reading: Reading, names: list[str]) -> "tuple[Learner, Profile]":
    """Returns what a trace shows, and its profile."""
    from vtctap.dissector.dissect import Dissector
    from vtctap.dissector.learning.learner import Learner

    several, learner = len(arguments.names) > 1, Learner()
    records, profile = reading.settle(Traces(names, bar=False), names[0] if several else "")
    learner.begin(reading.number, session_timeout_ns=profile.timing.session_timeout_ns)
    for dissection in Dissector(profile).each(records):
        learner.feed(dissection)
    learner.close()
    return learner, profile


def _page(name: str | None) -> "Callable[[Learner], str] | None":
    """Returns the function that writes the page of evidence in the format of its suffix."""
    from vtctap.dissector.learning import page

    if name is None:
        return None
    writers = {".html": page.html, ".md": page.markdown}
    if Path(name).suffix not in writers:
        raise CommandError(f"--evidence {name}: name a file that ends in .html or .md")
    return writers[Path(name).suffix]


def _base(arguments: argparse.Namespace) -> "tuple[str, Profile]":
    """Returns the parent profile, and the name of its file, which may differ from the name that it states."""
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.names import DEFAULT

    parent = arguments.inherits or DEFAULT
    if parent.endswith(".toml"):
        raise CommandError(
            "--inherits takes the name of a profile, not a file: move the file into the folder of your profiles"
        )
    return parent, load(parent)


def _new(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.learning.draft import template
    from vtctap.dissector.profiles.names import shipped, user_directory

    if len(arguments.names) != 1:
        raise CommandError("'profile new' takes one name: write vtctap profile new NAME")
    name = arguments.names[0]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.endswith(".toml") or name in shipped():
        raise CommandError(
            f"{name!r} cannot name a new profile: use letters, digits, '.', '_' and '-', and no name of vtctap's own"
        )
    parent, _ = _base(arguments)
    text = template(parent=parent, name=name)
    output = arguments.output
    if output is None:
        folder = user_directory()
        output = str(folder / f"{name}.toml")
        with output_errors(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
    write_text(output, text, force=arguments.force, public=True)
    if output != STANDARD:
        print(output)
    return DONE
