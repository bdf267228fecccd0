"""Redacts random sessions with secrets planted in every place, and searches for them: no secret may survive.

    python bench/redact_trial.py [--sessions N] [--seed S]

The search is that of tests/equipment/planted.py, which knows nothing of the redaction. Prints the number of sessions,
secrets and survivors. Exit status 1 where anything survives, or where a redacted record has another form or length.
"""

import argparse
import sys
from pathlib import Path

from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.names import shipped
from vtctap.dissector.redaction.proof import places_of
from vtctap.dissector.redaction.proof import survivors as proved
from vtctap.dissector.redaction.redact import Redactor
from vtctap.dissector.redaction.standins import StandIns
from vtctap.pcap.record import Kind, Record

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from equipment.planted import Planter, survivors


def redacted(records: list[Record], key: bytes, profile: Profile) -> tuple[list[Record], set[bytes]]:
    """The redacted records, and the secrets that were found in the original ones."""
    redactor = Redactor(profile, StandIns(key))
    for record in records:
        redactor.learn(record)
    return [redactor.redact(record) for record in records], redactor.secrets


def differences(old: list[Record], new: list[Record]) -> list[str]:
    """What else of the records changed than their content."""
    found = []
    for number, (one, other) in enumerate(zip(old, new, strict=True), 1):
        if len(one.octets) != len(other.octets) or one.time != other.time or one.kind is not other.kind:
            found.append(f"record {number}: length, time or kind")
        elif one.kind is Kind.FRAME:
            before, after = message_of(one), message_of(other)
            for name in ("message", "bcc_status", "crc_status", "hcs_status", "fcs_status"):
                if getattr(before, name) != getattr(after, name):
                    found.append(f"record {number}: {name} {getattr(before, name)} became {getattr(after, name)}")
    return found


def main() -> int:
    """Runs the trial."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sessions", type=int, default=5000, help="random sessions (5000)")
    parser.add_argument("--seed", type=int, default=0, help="the first session's seed (0)")
    arguments = parser.parse_args()
    secrets, failures = 0, 0
    profiles = [load(name) for name in shipped()]
    for seed in range(arguments.seed, arguments.seed + arguments.sessions):
        session = Planter(seed).make()
        profile = profiles[seed % len(profiles)]
        new, known = redacted(session.records, seed.to_bytes(16), profile)
        secrets += len(session.secrets) + len(session.payloads)
        own = [f"proof: {each.form} in {each.place}" for each in proved(known, places_of(new))]
        for text in survivors(session, new) + own + differences(session.records, new):
            failures += 1
            print(f"seed {seed}, profile {profile.name}: {text}")
    print(f"{arguments.sessions} sessions from seed {arguments.seed}, {secrets} planted secrets: {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
