"""The profile that a trace states: the one with which it was captured, imported or framed.

Every tap's ``opened`` event says ``profile=NAME``, and so do the taps' descriptions in pcapng, which each of several
ring files repeats. All taps of a capture share one profile, so the first statement applies to the whole trace.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TypeVar

from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile, ProfileError
from vtctap.dissector.profiles.names import users
from vtctap.pcap.record import Record, stated_profile

Item = TypeVar("Item")


def settled(records: Iterable[Item], profile: Profile | None = None) -> tuple[Iterator[Item], Profile]:
    """Returns the records unchanged, and the profile to read them with.

    That profile is ``profile``, else the one that the trace states, else the default one, which also replaces a stated
    profile that cannot be loaded here. The function may wait for the first record: a
    :class:`~vtctap.pcap.trace.TraceReader` (or anything with a ``profile``) knows what its trace states; otherwise the
    first record may be an ``opened`` event.
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
    """Returns the profile with that name inside it; its file may have another name.

    A path is no name: what a trace states opens no file but those of vtctap and of the user's folder.
    """
    for file in (name, *users()) if name is not None and not name.endswith(".toml") else ():
        with suppress(ProfileError):
            profile = load(file)
            if profile.name == name:
                return profile
    return load()
