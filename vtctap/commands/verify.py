"""Verifies the hash chain of traces: whether a record was altered, removed, added or moved since the capture.

  vtctap verify trace.pcapng                          whole, a part, or changed; and the last hash
  vtctap verify ring_*.pcapng                         ring files are one chain
  vtctap verify trace.pcapng --sign KEY               sign the last hash with an SSH key: trace.pcapng.sig
  vtctap verify trace.pcapng --signature trace.pcapng.sig --signers FILE

Whoever alters a trace can compute its hashes again: keep the last hash, or its signature, apart from the trace. FILE
lists the keys that you trust (ssh-keygen(1), "allowed signers"). Exit status 1 means anything else than a whole,
unaltered chain, and a good signature where one is named.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD, add_traces, traces_of
from vtctap.command_line.inputs import Traces
from vtctap.command_line.messages import warn
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.pcap.hash_chain import ChainPlace, ChainVerdict, Verifier

_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--sign", metavar="KEY", help="sign the last hash with this SSH key, into TRACE.sig")
    parser.add_argument("--signature", metavar="FILE", help="verify this signature of the last hash")
    parser.add_argument(
        "--signers", metavar="FILE", help="the keys that may have signed ('allowed signers' of ssh-keygen)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite TRACE.sig if it exists")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if bool(arguments.signature) != bool(arguments.signers):
        raise CommandError("--signature FILE and --signers FILE go together: a signature needs a list of trusted keys")
    if arguments.sign and STANDARD in traces_of(arguments):
        raise CommandError("--sign writes the signature beside the trace: name a file instead of standard input")
    if arguments.signature:
        from vtctap.command_line.signatures import refuse_unreadable

        refuse_unreadable(arguments.signature, arguments.signers)
    traces = traces_of(arguments)
    verifier, damaged = _read(traces)
    verdicts = list(verifier.verdicts.values())
    problems = list(_problems(verifier, several=len(traces) > 1))
    if arguments.json:
        print(
            json.dumps({"chains": [_as_json(verdict) for verdict in verdicts], "records_without_hash": verifier.bares})
        )
    else:
        print(*(_line(verdict) for verdict in verdicts), *problems, sep="\n")
    good = bool(verdicts) and not (problems or damaged) and all(verdict.complete for verdict in verdicts)
    if arguments.sign or arguments.signature:
        good = _signature(arguments, traces, verdicts) and good
    return DONE if good else FOUND


def _read(names: Sequence[str]) -> "tuple[Verifier, int]":
    """Returns the verifier that has read the traces, and the number of damaged or missing parts."""
    from vtctap.pcap.hash_chain import ChainPlace, Verifier
    from vtctap.pcap.record import Record

    verifier, damaged = Verifier(), 0
    for name in names:
        traces = Traces([name], bar=False)
        for item in traces:
            if isinstance(item, Record):
                assert traces.reader
                assert traces.reader.packet
                packet = traces.reader.packet
                verifier.feed(ChainPlace(name, traces.reader.number), packet.time, packet.data, item)
        damaged += traces.skipped
    return verifier, damaged


def _line(verdict: "ChainVerdict") -> str:
    """Returns the sentence about a chain."""
    chain = f"of chain {verdict.id.hex()}"
    last = f"hash of record {verdict.last}: {verdict.hash.hex()}"
    if not verdict.intact:
        return f"changed: records {verdict.first} to {verdict.last} {chain}"
    if verdict.complete:
        return f"whole: all {count(verdict.records, 'record')} {chain}, unaltered; {last}"
    taps = ", ".join(map(str, sorted(verdict.open_taps)))
    lacking = [] if verdict.first == 1 else [f"begins with record {verdict.first}"]
    lacking += [f"ends without the closed event of tap {taps}"] if taps else []
    return f"part: records {verdict.first} to {verdict.last} {chain}, unaltered; {', '.join(lacking)}; {last}"


def _problems(verifier: "Verifier", *, several: bool) -> Iterator[str]:
    """Yields a line for each kind of change."""

    def places(found: "Sequence[ChainPlace]", total: int = 0) -> str:
        shown = [f"{place.trace}: {place.number}" if several else f"{place.number}" for place in found[:_SHOWN]]
        more = max(total, len(found)) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    for verdict in verifier.verdicts.values():
        for what, found in (("altered", verdict.altered), ("moved", verdict.moved), ("repeated", verdict.repeated)):
            if found:
                yield f"  {what}: record {places(found)}"
        if verdict.missing:
            ranges = [f"{first} to {last}" if first < last else f"{first}" for first, last in verdict.missing[:_SHOWN]]
            more = len(verdict.missing) - len(ranges)
            yield f"  missing from the chain: {', '.join(ranges)}{f' and {more} more gaps' if more else ''}"
    if verifier.bares:
        what = "records without a hash" if verifier.verdicts else "no chain: records without a hash"
        yield f"{what}: {places(verifier.bare, verifier.bares)}"
    elif not verifier.verdicts:
        yield "no chain: no records"


def _as_json(verdict: "ChainVerdict") -> dict[str, object]:
    def places(found: "Sequence[ChainPlace]") -> list[dict[str, object]]:
        return [{"trace": place.trace, "frame.number": place.number} for place in found]

    return {
        "chain": verdict.id.hex(),
        "verdict": "changed" if not verdict.intact else "whole" if verdict.complete else "part",
        "records": verdict.records,
        "first": verdict.first,
        "last": verdict.last,
        "hash": verdict.hash.hex(),
        "open_taps": sorted(verdict.open_taps),
        "altered": places(verdict.altered),
        "moved": places(verdict.moved),
        "repeated": places(verdict.repeated),
        "missing": verdict.missing,
    }


def _signature(arguments: argparse.Namespace, traces: Sequence[str], verdicts: "Sequence[ChainVerdict]") -> bool:
    """Signs the last hash, or returns whether its signature is good."""
    from vtctap.command_line.signatures import is_signed, sign

    if len(verdicts) != 1 or not verdicts[0].intact:
        raise CommandError("a signature needs one unaltered chain")
    verdict = verdicts[0]
    statement = f"vtctap hash chain {verdict.id.hex()} record {verdict.last} hash {verdict.hash.hex()}\n"
    if arguments.sign:
        name = f"{traces[-1]}.sig"
        sign(statement, arguments.sign, name, force=arguments.force)
        warn(f"signature of the hash of record {verdict.last} in {name}")
    if not arguments.signature:
        return True
    good, said = is_signed(statement, arguments.signature, arguments.signers)
    print(f"signature: {said}")
    return good
