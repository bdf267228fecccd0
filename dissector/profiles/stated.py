"""The profile that a trace states: the one that it was captured, imported or framed with.

Every tap's ``opened`` event says ``profile=NAME``, and so do the taps' descriptions in pcapng, which stand in each of
several ring files. All taps of a capture have one profile; what a trace states first is taken for the whole of it.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TypeVar

from vtctap.dissector.profiles.files import Profile, ProfileError, load, users
from vtctap.pcap.record import Record, stated_profile

Item = TypeVar("Item")


def settled(records: Iterable[Item], profile: Profile | None = None) -> tuple[Iterator[Item], Profile]:
    """The same records, and the profile to read them with.

    It is ``profile``, or else the one that the trace states; the default one where the trace states none, or one that
    cannot be loaded here. To find out, the first record is waited for.

    A :class:`~vtctap.pcap.trace.TraceReader`, or whatever has its ``profile``, knows what its trace states; of other
    records the first one may be an ``opened`` event.
    """
    each = iter(records)
    if profile is not None:
        return each, profile
    taken = list(islice(each, 1))
    name: str | None = getattr(records, "profile", None)
    if name is None and taken and isinstance(taken[0], Record):
        name = stated_profile(taken[0].event)
    return chain(taken, each), _loaded(name)


def _loaded(name: str | None) -> Profile:
    """The profile that calls itself so; its file may have another name."""
    for file in (name, *users()) if name is not None else ():
        with suppress(ProfileError):
            profile = load(file)
            if profile.name == name:
                return profile
    return load()
