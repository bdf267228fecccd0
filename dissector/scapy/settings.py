"""The dissector for packets, with the profile and keys of ``conf.contribs["vtctap"]``."""

from dataclasses import replace
from functools import cache
from typing import Final

from scapy.config import conf

from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.meaning import answered
from vtctap.dissector.pairing import Place
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.tokens import Keys, load_keys
from vtctap.pcap.record import Record

conf.contribs.setdefault("vtctap", {"profile": None, "keys": None, "stated": None})

_profile: Final = cache(load)
_keys: Final = cache(load_keys)


def dissector() -> Dissector:
    """Returns the dissector by ``conf.contribs["vtctap"]``: its profile (name, path or Profile) and its key file (path
    or Keys), if any.

    Without a profile there, ``stated`` applies (the profile that the last session's trace stated), or the default one.
    Raises ProfileError, KeyFileError and OSError.
    """
    settings = conf.contribs.get("vtctap", {})
    profile, keys = settings.get("profile") or settings.get("stated") or DEFAULT, settings.get("keys")
    return Dissector(
        profile if isinstance(profile, Profile) else _profile(str(profile)),
        keys if keys is None or isinstance(keys, Keys) else _keys(str(keys)),
    )


def dissect(record: Record, place: Place | None = None) -> Dissection:
    """Dissects one record by itself; a frame takes what its request named from its ``place``."""
    decoder = dissector()
    dissection = decoder.dissect(record)
    if place is None or not isinstance(dissection, Frame):
        return dissection
    if place.object_asked:
        return replace(dissection, meaning=answered(dissection.meaning, place.object_asked))
    if place.register_asked:
        return replace(dissection, meaning=decoder.meaning(dissection.message, place.register_asked))
    return dissection
