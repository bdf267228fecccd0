"""The optional libraries by extra, and the commands that install them into the environment of this program.

    with extra("report", "a report"):
        import plotly

This module imports only the standard library, so every package may use it.
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
    "dlms": ("dlms_cosem", "dlms-cosem"),
    "query": ("duckdb", "duckdb"),
    "cluster": ("distributed", "distributed"),
    "zstd": ("backports", "backports.zstd"),
    "lz4": ("lz4", "lz4"),
}
"""Extra, the module that it provides, and the distribution that contains the module."""


@contextmanager
def extra(name: str, purpose: str) -> Iterator[None]:
    """Imports of an extra go inside this context. It raises MissingExtra if the extra is not installed.

    ``purpose`` is the subject of the message: ``a report`` gives "a report needs plotly: ...".
    """
    module, distribution = EXTRAS[name]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise MissingExtra(f"{purpose} needs {distribution}: {advice(name)}", name=module) from None


def advice(name: str) -> str:
    """Returns the command that installs an extra into the environment of this program.

    A pipx environment has no pip on the path, so the command is ``pipx inject``. A system Python may refuse pip (PEP
    668), so the command makes a virtual environment. If ``pip`` on the path belongs to another environment, the command
    names the interpreter.
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
