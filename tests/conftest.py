"""For all tests: no deadlines; a tshark, and a sharkd, that load Lua scripts whoever runs the tests."""

import os
import shutil
import stat
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("vtctap", deadline=None)  # How long an example takes depends on what else the machine does.
settings.load_profile("vtctap")

AS_NOBODY = (
    "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override "
    'env HOME="${TSHARK_HOME:-/nonexistent}"'
)
"""Wireshark from 4.4 on loads no Lua script for root. As nobody it does; the capability lets it read root's files.
A test that installs something for Wireshark says in TSHARK_HOME where."""


@pytest.fixture(scope="session", autouse=True)
def tshark_as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    found = {name: real for name in ("tshark", "sharkd") if (real := shutil.which(name))}
    if os.geteuid() != 0 or not found:
        yield
        return
    folder = tmp_path_factory.mktemp("bin")
    for name, real in found.items():
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nexec {AS_NOBODY} {real} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    yield
    os.environ["PATH"] = before
