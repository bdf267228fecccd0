"""The optional libraries, by the extra that brings each, and what installs them where this program runs.

    with extra("report", "a report"):
        import plotly

Imports the standard library alone, and what decides the advice only when something is missing; so every room may use
it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vtctap.errors import MissingExtra

__all__ = ["EXTRAS", "advice", "extra"]

EXTRAS: Final = {
    "scapy": ("scapy", "scapy"),
    "pyshark": ("pyshark", "pyshark"),
    "keys": ("Crypto", "pycryptodome"),
    "plot": ("matplotlib", "matplotlib"),
    "report": ("plotly", "plotly"),
    "parquet": ("pyarrow", "pyarrow"),
}
"""Extra, the module that it brings, and the distribution that the module is in."""


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Inside, the extra's module is imported; raises MissingExtra where it is not installed.

    ``purpose`` is the subject of the message: ``a report`` gives "a report needs plotly: ..."."""
    module, distribution = EXTRAS[name]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise MissingExtra(f"{purpose} needs {distribution}: {advice(name)}", name=module) from None


def advice(name: str) -> str:
    """The command that installs an extra into the environment that this program runs in.

    pipx keeps a program in an environment of its own, without a pip on the path; and a system's own Python may refuse
    pip (PEP 668), so that a virtual environment is needed. A virtual environment that is not activated is named.
    """
    import os
    import shutil
    import sys
    import sysconfig

    wanted = f"'vtctap[{name}]'"
    if os.path.isfile(os.path.join(sys.prefix, "pipx_metadata.json")):
        return f"pipx inject vtctap {EXTRAS[name][1]}"
    in_venv = sys.prefix != sys.base_prefix
    if not in_venv and os.path.isfile(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")):
        return f"python3 -m venv vtctap-venv && vtctap-venv/bin/pip install {wanted}"
    pip = shutil.which("pip")
    if pip and os.path.dirname(pip) == os.path.dirname(sys.executable):
        return f"pip install {wanted}"
    return f"{sys.executable} -m pip install {wanted}"
