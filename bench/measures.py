"""Measures of the source beside those that must not get worse: how long functions and files are, and cycles.

A function's length is its lines from ``def`` to its end, docstring included; decorators are not.
"""

import ast
import importlib.util
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("pcap", "dissector", "sniffer", "vtctap")
SOURCES: Final = {".py", ".lua"}
LIMITS: Final = {"median function": 6, "95th percentile": 24, "longest function": 50, "longest file": 388, "cycles": 0}
"""Lines, and the number of cycles, that must not get worse."""


def functions(path: Path) -> list[tuple[int, str]]:
    """Returns the length of each function in a file, in lines, and where it is."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    found = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{path.relative_to(ROOT)} {node.name}") for node in found
    ]


def cycle() -> list[str]:
    """Returns modules that import each other in a circle, as ``make architecture`` sees them."""
    spec = importlib.util.spec_from_file_location("make_architecture", ROOT / "docs" / "make_architecture.py")
    assert spec
    assert spec.loader
    architecture = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = architecture  # dataclasses look their module up
    spec.loader.exec_module(architecture)
    return list(architecture.cycle(architecture.imports(for_types=False)))


def main() -> int:
    """Prints one line per measure. The exit status states whether one is worse than its limit."""
    paths = sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*") if path.suffix in SOURCES)
    lengths = sorted(length for path in paths if path.suffix == ".py" for length in functions(path))
    files = sorted((len(path.read_text("utf-8").splitlines()), str(path.relative_to(ROOT))) for path in paths)
    circle = cycle()
    only_lengths = [length for length, _ in lengths]
    measured: dict[str, tuple[float, str]] = {
        "median function": (median(only_lengths), f"of {len(lengths)}"),
        "95th percentile": (quantiles(only_lengths, n=100)[94], ""),
        "longest function": lengths[-1],
        "longest file": files[-1],
        "cycles": (int(bool(circle)), " <- ".join(circle)),
    }
    for name, (value, where) in measured.items():
        print(f"{name:18}{value:8.0f}   at most {LIMITS[name]:3}   {where}".rstrip())
    print(f"{'lines in all':18}{sum(count for count, _ in files):8}   {' ' * 11}   in {len(files)} files")
    return int(any(value > LIMITS[name] for name, (value, _) in measured.items()))


if __name__ == "__main__":
    sys.exit(main())
