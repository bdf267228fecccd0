"""The rooms of the house: who may import what, read from the source; and what is loaded when."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import vtctap

ROOT = Path(__file__).parents[1]
ROOMS = {"vtctap": ROOT / "vtctap"} | {f"vtctap.{room}": ROOT / room for room in ("pcap", "dissector", "sniffer")}

GROUND = ["vtctap.errors", "vtctap.extras"]
"""What every room may import: modules that import nothing but each other."""

MAY_IMPORT = {
    "vtctap.errors": [],
    "vtctap.extras": [],
    "vtctap.pcap": ["vtctap.pcap"],
    "vtctap.dissector.protocol": ["vtctap.dissector.protocol", "vtctap.pcap.record"],
    "vtctap.dissector.framing": [
        "vtctap.dissector.framing",
        "vtctap.dissector.protocol",
        "vtctap.pcap.record",
        "vtctap.pcap.burst",
    ],
    "vtctap.dissector": ["vtctap.dissector", "vtctap.pcap.record"],
    "vtctap.sniffer": ["vtctap.sniffer", "vtctap.dissector", "vtctap.pcap"],
    "vtctap.commands": ["vtctap"],
    "vtctap": ["vtctap"],
}
"""The rooms, the innermost name first, and which of our own modules each may import."""

LIBRARIES = {
    "scapy": ["vtctap", "vtctap.dissector.scapy"],
    "pyshark": ["vtctap.dissector.wireshark.pyshark"],
    "plotly": ["vtctap.dissector.analysis.report.page"],
    "Crypto": ["vtctap.dissector.tokens.ciphers"],
    "serial": ["vtctap.sniffer.pyserial_port", "vtctap.sniffer.ports"],
}
"""What is not in the standard library, and the modules (or the packages of modules) that may import it."""

LONGEST = 500


@dataclass(frozen=True)
class Module:
    """A module and its source. ``imports`` are the modules it imports: all, and those that loading it imports."""

    name: str
    path: Path
    tree: ast.Module

    def imports(self, *, loading: bool = False) -> Iterator[str]:
        nodes = self.tree.body if loading else list(ast.walk(self.tree))
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}: relative import"
                assert node.module
                # ``from package import module`` imports the module.
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in names)


def modules() -> Iterator[Module]:
    for room, folder in ROOMS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((room, *(part for part in parts if part != "__init__")))
            yield Module(name, path, ast.parse(path.read_text("utf-8")))


MODULES: dict[str, Module] = {}
MODULES |= {module.name: module for module in modules()}

each_module = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def room_of(name: str) -> str:
    return max((room for room in MAY_IMPORT if within(name, room)), key=len)


def test_every_room_was_found() -> None:
    assert {room_of(name) for name in MODULES} == set(MAY_IMPORT)
    assert {"vtctap.pcap.record", "vtctap.dissector.scapy", "vtctap.sniffer.simulated.wire"} < set(MODULES)
    assert set(MODULES["vtctap.dissector.framing.framer"].imports()) >= {"collections", "vtctap.pcap.record"}


@each_module
def test_rooms(module: Module) -> None:
    for name in module.imports():
        if within(name, "vtctap"):
            assert any(within(name, allowed) for allowed in [*GROUND, *MAY_IMPORT[room_of(module.name)]]), name


@each_module
def test_libraries(module: Module) -> None:
    """Everything else is in the standard library; the trace files need nothing but that."""
    for name in module.imports():
        library = name.partition(".")[0]
        if library == "vtctap" or library in sys.stdlib_module_names:
            continue
        assert library in LIBRARIES, f"{module.name} imports {library}"
        assert any(module.name == at or (at != "vtctap" and within(module.name, at)) for at in LIBRARIES[library])


@each_module
def test_commands_are_the_outermost(module: Module) -> None:
    if room_of(module.name) != "vtctap.commands":
        assert not any(within(name, "vtctap.commands") for name in module.imports())


def test_nothing_imports_in_a_circle() -> None:
    loading = {name: {*module.imports(loading=True)} & {*MODULES} for name, module in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for imported in loading[name]:
                visit(imported, (*path, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())
    assert done == set(MODULES)


@each_module
def test_a_module_says_what_it_is_for(module: Module) -> None:
    documentation = ast.get_docstring(module.tree)
    assert documentation
    assert documentation.splitlines()[0].strip()


@each_module
def test_a_module_has_one_job(module: Module) -> None:
    assert len(module.path.read_text("utf-8").splitlines()) <= LONGEST


# What is loaded, in a process of its own.


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads."""
    script = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_front_door_loads_nothing() -> None:
    loaded = loaded_by("import vtctap")
    assert {name for name in loaded if within(name, "vtctap")} == {"vtctap"}
    assert not loaded & {"json", "argparse", "dataclasses", "struct", "re", "tomllib", "asyncio"}


def test_the_front_door_opens_what_its_types_say() -> None:
    """The names that are loaded when they are used, those that type checkers see, and ``__all__`` are the same."""
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


def test_the_front_door_loads_one_room_at_a_time() -> None:
    assert "vtctap.dissector" not in loaded_by("import vtctap; vtctap.open")
    assert not any(within(name, "vtctap.sniffer") for name in loaded_by("import vtctap; vtctap.token_flows"))


def test_errors_that_a_user_can_mend_have_one_base() -> None:
    """Every class named so, in every module, has it and so an exit status; but for Scapy's packet of that name."""
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
