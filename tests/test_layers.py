"""The parts of vtctap: which may import which, whether each module has a docstring, and when modules are loaded."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

import vtctap

ROOT = Path(__file__).parents[1]
FOLDERS = {"vtctap": ROOT / "vtctap"} | {f"vtctap.{name}": ROOT / name for name in ("pcap", "dissector", "sniffer")}

ARCHITECTURE = ROOT / "docs" / "make_architecture.py"

LIBRARIES = {
    "scapy": ["vtctap", "vtctap.dissector.scapy"],
    "pyshark": ["vtctap.dissector.wireshark.pyshark"],
    "plotly": ["vtctap.dissector.analysis.report.page"],
    "Crypto": ["vtctap.dissector.tokens.ciphers"],
    "numpy": ["vtctap.pcap.batch", "vtctap.pcap.batches", "vtctap.dissector.columns"],
    "pyarrow": [
        *(f"vtctap.dissector.tables.{name}" for name in ("arrow", "lean", "parquet")),
        "vtctap.dissector.columns",
    ],
    "dlms_cosem": ["vtctap.dissector.dlms.apdu"],
    "duckdb": ["vtctap.dataset.querying"],
    "distributed": ["vtctap.parallel.cluster"],
    "backports": ["vtctap.pcap.compressed"],
    "compression": ["vtctap.pcap.compressed"],
    "lz4": ["vtctap.pcap.compressed"],
    "serial": [f"vtctap.sniffer.{name}" for name in ("ports", "pyserial_api", "pyserial_port", "speaking")],
}
"""The libraries outside the standard library, and the modules (or packages) that may import each."""

LONGEST = 500


@dataclass(frozen=True)
class Module:
    """A module and its source. :meth:`imports` yields the modules that it imports, also inside functions."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"))

    def imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative import"
                assert node.module
                # ``from package import module`` imports the module.
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in names)


def modules() -> Iterator[Module]:
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            yield Module(name, path)


MODULES = {module.name: module for module in modules()}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_every_module_was_found() -> None:
    assert {"vtctap.pcap.record", "vtctap.dissector.scapy", "vtctap.sniffer.simulated.wire"} < set(MODULES)
    assert set(MODULES["vtctap.dissector.framing.framer"].imports()) >= {"collections.abc", "vtctap.pcap.record"}


# The table of parts in docs/make_architecture.py.


@pytest.fixture(scope="module")
def architecture() -> Any:
    pytest.importorskip("grimp")
    spec = importlib.util.spec_from_file_location("make_architecture", ARCHITECTURE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_no_import_goes_up_and_the_picture_is_current(architecture: Any, tmp_path: Path) -> None:
    command = [sys.executable, str(ARCHITECTURE), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{len(MODULES)} modules in ")


@pytest.mark.parametrize(
    ("importing", "imported", "reason"),
    [
        ("vtctap.pcap.trace", "vtctap.dissector.dissect", "trace files may not know meaning"),
        ("vtctap.dissector.framing.framer", "vtctap.dissector.profiles.files", "framing may not know profiles"),
        ("vtctap.dissector.analysis.check", "vtctap.pcap.trace", "analysis may not know trace files"),
        ("vtctap.sniffer.capture", "vtctap.dissector.dissect", "sniffer may not know meaning"),
        ("vtctap.capturing.sink", "vtctap.commands.capture", "capturing may not know commands"),
    ],
)
def test_an_import_that_goes_up_is_named(architecture: Any, importing: str, imported: str, reason: str) -> None:
    line = f"{importing} imports {imported}: {reason}"
    assert list(architecture.misplaced({importing: {imported}, imported: set()})) == [line]


def test_a_cycle_is_named(architecture: Any) -> None:
    circle = {
        "vtctap.pcap.a": {"vtctap.pcap.b"},
        "vtctap.pcap.b": {"vtctap.pcap.c"},
        "vtctap.pcap.c": {"vtctap.pcap.a"},
    }
    assert sorted(set(architecture.cycle(circle))) == sorted(circle)
    assert architecture.cycle(circle | {"vtctap.pcap.c": set()}) == []


# The libraries and the docstring of each module.


def may_import(module: str, library: str) -> bool:
    """Whether :data:`LIBRARIES` allows it."""
    return any(module == at or (at != "vtctap" and within(module, at)) for at in LIBRARIES.get(library, ()))


def test_libraries() -> None:
    """A module imports a library outside the standard library only if it may."""
    standard = {"vtctap", *sys.stdlib_module_names}
    imports = {name: {one.partition(".")[0] for one in module.imports()} for name, module in MODULES.items()}
    libraries = [(name, library) for name, found in imports.items() for library in found - standard]
    assert {library for _, library in libraries} > {"scapy", "plotly", "numpy"}
    assert [(name, library) for name, library in libraries if not may_import(name, library)] == []


def test_a_module_has_a_docstring() -> None:
    documentation = {module.name: ast.get_docstring(module.tree) or "" for module in MODULES.values()}
    assert [name for name, text in documentation.items() if not text.strip()] == []


def test_a_module_is_not_too_long() -> None:
    lengths = {module.name: len(module.path.read_text("utf-8").splitlines()) for module in MODULES.values()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


# Which modules a statement loads, tried in a new process.


def loaded_by(statement: str) -> set[str]:
    """Returns the modules that a statement loads."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_public_api_loads_nothing() -> None:
    loaded = loaded_by("import vtctap")
    assert {name for name in loaded if within(name, "vtctap")} == {"vtctap"}
    assert not loaded & {"json", "argparse", "dataclasses", "struct", "re", "tomllib", "asyncio"}


def test_the_public_api_is_what_type_checkers_see() -> None:
    """The names that are loaded on first use, those that type checkers see, and ``__all__`` are the same."""
    assert list(vtctap._DOORS) == vtctap.__all__ == sorted(vtctap.__all__)
    typed = next(node for node in MODULES["vtctap"].tree.body if isinstance(node, ast.If))
    assert ast.unparse(typed.test) == "TYPE_CHECKING"
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom) and node.module != "typing"]
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in imports for alias in node.names}
    assert seen == vtctap._DOORS
    assert {*vtctap.__all__} <= {*dir(vtctap)}
    for name, (module, there) in vtctap._DOORS.items():
        assert getattr(vtctap, name) is getattr(importlib.import_module(module), there)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = vtctap.nothing


def test_the_public_api_loads_only_what_is_used() -> None:
    assert "vtctap.dissector" not in loaded_by("import vtctap; vtctap.open")
    assert not any(within(name, "vtctap.sniffer") for name in loaded_by("import vtctap; vtctap.token_flows"))


def test_errors_have_one_base() -> None:
    """Every class of errors derives from ``vtctap.Error``, which gives it an exit status. ``Error`` itself is left out,
    and so is the Scapy packet of that name."""
    seen = {}
    for module in MODULES.values():
        for node in ast.walk(module.tree):
            bases = (
                [base.id for base in node.bases if isinstance(base, ast.Name)] if isinstance(node, ast.ClassDef) else []
            )
            if any(base.endswith(("Error", "Exception")) for base in bases) and node.name != "Error":
                seen[node.name] = getattr(importlib.import_module(module.name), node.name)
    assert {"TraceError", "ProfileError", "PortError", "OutputError", "MissingExtra"} <= {*seen}
    assert all(issubclass(error, vtctap.Error) for error in seen.values()), seen
    assert {seen[name].status for name in ("TraceError", "ProfileError", "TokenError", "CommandError")} == {2}
    assert (seen["PortError"].status, seen["OutputError"].status) == (3, 4)


@pytest.mark.parametrize(
    "statement",
    [
        "import vtctap.pcap",
        "import vtctap.pcap.imports",
        "import vtctap.dissector.framing.reframe, vtctap.dissector.text, vtctap.dissector.profiles.files",
        "import vtctap.sniffer.capture",
    ],
)
def test_no_library_is_loaded_before_it_is_used(statement: str) -> None:
    roots = {name.partition(".")[0] for name in loaded_by(statement)}
    assert "vtctap" in roots
    assert roots <= {"vtctap", *sys.stdlib_module_names}


def test_reading_a_trace_loads_no_tap() -> None:
    loaded = loaded_by("import vtctap.dissector.text, vtctap.pcap.trace")
    assert not any(within(name, "vtctap.sniffer") or within(name, "vtctap.commands") for name in loaded)
    assert not loaded & {"threading", "socket", "select", "serial"}
