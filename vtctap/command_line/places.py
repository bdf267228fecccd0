"""Names of files and profiles for the workers of a cluster, which may have another working folder."""

import os

from vtctap.dissector.profiles.names import file_of, shipped

__all__ = ["placed", "placed_profile"]


def placed(name: str, cluster: str | None) -> str:
    """Returns the name of a file: its whole path where a cluster reads or writes it."""
    return os.path.abspath(name) if cluster else name


def placed_profile(name: str | None, cluster: str | None) -> str | None:
    """Returns the name of a profile: the whole path of its file where a cluster reads it, unless it comes with
    vtctap."""
    return name if name is None or name in shipped() or not cluster else os.path.abspath(file_of(name))
