"""The doctor's findings, on machines that the tests set up."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from vtctap.command_line.diagnosis import Diagnosis
from vtctap.commands import doctor
from vtctap.commands.doctor import Host, examine
from vtctap.errors import CommandError, OutputError
from vtctap.sniffer.ports import SerialPort
from vtctap.wireshark import examination
from vtctap.wireshark.installation import MANIFEST, Installation, wanted
from vtctap.wireshark.tshark import NoWireshark, Wireshark


class Said(Wireshark):
    """A Wireshark that prints given texts."""

    fields, complaint, interfaces = "event\n", "", "1. vtctap-demo (Meter link)\n"

    def run(self, arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        if arguments[0] == "-D":
            return subprocess.CompletedProcess([], 0, self.interfaces, "")
        return subprocess.CompletedProcess([], 0, self.fields, self.complaint)


@pytest.fixture
def wireshark(tmp_path: Path) -> Said:
    """A Wireshark in which everything is installed."""
    found = Said("tshark", (4, 4, 18), tmp_path / "config", tmp_path / "lib/plugins", tmp_path / "lib/extcap")
    Installation.of(found).install(examination.files(found), force=False)
    return found


@pytest.fixture
def sound(tmp_path: Path, wireshark: Said) -> Host:
    """A machine on which nothing is missing."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/group").write_text("root:x:0:\ndialout:x:20:anna\n")
    (root / "proc/1").mkdir(parents=True)
    (root / "proc/1/comm").write_text("systemd\n")
    return Host(
        root=root,
        ports=[SerialPort("/dev/ttyUSB0", latency_timer_ms=1)],
        superuser=False,
        groups=["anna"],
        readable=lambda device: True,
        status=lambda device: status_of(0o20660, 20),
        group_name=lambda number: {20: "dialout", 14: "uucp"}.get(number, str(number)),
        wireshark=lambda: wireshark,
    )


def status_of(mode: int, group: int) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, 0, group, 0, 0, 0, 0))


def codes(machine: Host) -> list[str]:
    return [finding.code for finding in examine(machine)[0]]


def test_nothing_is_found_where_nothing_is_missing(sound: Host) -> None:
    findings, seen = examine(sound)
    assert findings == []
    assert seen["wireshark"] == "4.4.18 (tshark)"
    assert seen["ports"] == "/dev/ttyUSB0"


def test_a_port_that_may_not_be_read_names_its_group(sound: Host) -> None:
    machine = replace(sound, readable=lambda device: False, status=lambda device: status_of(0o20660, 14))
    (finding,) = examine(machine)[0]
    assert finding.code == "group"
    assert finding.mend.startswith("sudo usermod -aG uucp $USER")


@pytest.mark.parametrize(
    ("mode", "groups", "superuser", "problem"),
    [
        (0o20600, ["dialout"], False, "/dev/ttyUSB0 cannot be read by the members of its group dialout: "),
        (0o20600, ["anna"], False, "/dev/ttyUSB0 cannot be read by the members of its group dialout: "),
        (0o20660, ["anna", "dialout"], False, "you cannot read /dev/ttyUSB0, though its mode allows it: "),
        (0o20600, [], True, "you cannot read /dev/ttyUSB0, though its mode allows it: "),
    ],
)  # fmt: skip
def test_a_group_that_is_not_the_reason_is_not_named(
    sound: Host, mode: int, groups: list[str], superuser: bool, problem: str
) -> None:
    """A member, root, and a port whose group may not read it: membership changes nothing."""
    barred = replace(sound, readable=lambda device: False, status=lambda device: status_of(mode, 20))
    (finding,) = doctor._permission(replace(barred, groups=groups, superuser=superuser))
    assert (finding.code, finding.problem[: len(problem)]) == ("port", problem)
    assert "usermod" not in finding.mend


def test_a_group_without_a_name(sound: Host) -> None:
    """In a container, a port's group often has a number only; its members are members by number."""
    machine = replace(sound, readable=lambda device: False, status=lambda device: status_of(0o20660, 54321))
    (finding,) = doctor._permission(machine)
    assert (finding.code, "the group 54321" in finding.problem) == ("group", True)
    assert finding.mend.startswith("docker run --group-add 54321 ")
    (finding,) = doctor._permission(replace(machine, groups=["54321"]))
    assert finding.code == "port"


def test_the_system_names_groups_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getgroups", lambda: [0, 3_999_999_999])
    monkeypatch.setattr(os, "getegid", lambda: 0)
    assert Host(ports=[]).groups == [Path("/").group(), "3999999999"]


def test_a_port_that_is_unplugged_meanwhile_is_no_problem(sound: Host, tmp_path: Path) -> None:
    gone = replace(sound, ports=[SerialPort(str(tmp_path / "ttyUSB0"))], readable=lambda device: False, status=os.stat)
    assert codes(gone) == []
    (tmp_path / "file").touch()
    odd = replace(gone, ports=[SerialPort(str(tmp_path / "file/ttyUSB0"))])
    (finding,) = doctor._permission(odd)
    assert finding.problem == f"{tmp_path / 'file/ttyUSB0'} cannot be examined: Not a directory"


def test_the_rule_that_sets_new_ports_is_installed(sound: Host, capsys: pytest.CaptureFixture[str]) -> None:
    rules = sound.root / "etc/udev/rules.d/70-vtctap.rules"
    doctor.fix(sound)  # Without udev there is nothing to do.
    assert not rules.exists()
    (sound.root / "run/udev").mkdir(parents=True)
    (finding,) = examine(sound)[0]
    assert finding.code == "first-open"
    assert finding.mend == f"sudo {sys.executable} -m vtctap doctor --fix"
    doctor.fix(sound)
    assert codes(sound) == []
    assert 'RUN+="/bin/stty -F $devnode raw -echo"' in rules.read_text().splitlines()
    assert capsys.readouterr().err.startswith(f"vtctap: installed {rules}; ")
    rules.write_text("# an older one\n")
    assert codes(sound) == ["first-open"]
    doctor.fix(sound)
    assert codes(sound) == []


def test_the_rule_is_roots_to_install(sound: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    (sound.root / "run/udev").mkdir(parents=True)

    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(
        CommandError, match=r"only root may write .*/70.*rules: sudo .*python.* -m vtctap doctor --fix$"
    ):
        doctor.fix(sound)
    with pytest.raises(OutputError, match=r"/70-vtctap\.rules: Permission denied$"):
        doctor.fix(replace(sound, superuser=True))


FIX_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from vtctap.commands import doctor
from vtctap.errors import OutputError

machine = doctor.Host(root=Path(sys.argv[1]), ports=[], superuser=False, groups=[])
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    doctor.fix(machine)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("older", [None, "# an older one\n"])
def test_a_rule_is_written_whole_or_not_at_all(sound: Host, older: str | None) -> None:
    """The limit on the size of files stands for a full disk: the error names the rule, not standard output."""
    rules = sound.root / "etc/udev/rules.d/70-vtctap.rules"
    (sound.root / "run/udev").mkdir(parents=True)
    if older:
        rules.parent.mkdir(parents=True)
        rules.write_text(older)
    before = sorted(sound.root.rglob("*"))
    # In a child without bytecode (-B): Python keeps a compiled module that the limit cuts, and can never import it.
    command = [sys.executable, "-B", "-c", FIX_ON_A_FULL_DISK, str(sound.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{rules}: File too large\n", "")
    assert sorted(sound.root.rglob("*")) == before
    assert not older or rules.read_text() == older


@pytest.mark.parametrize(
    ("groups", "superuser", "found"), [(["anna"], False, ["group"]), (["dialout"], False, []), ([], True, [])]
)
def test_without_a_port_the_usual_group_is_looked_for(
    sound: Host, groups: list[str], superuser: bool, found: list[str]
) -> None:
    machine = replace(sound, ports=[], groups=groups, superuser=superuser)
    assert [code for code in codes(machine) if code != "lua-root"] == found


def test_brltty_and_modem_manager_are_named(sound: Host) -> None:
    rules = sound.root / "usr/lib/udev/rules.d/90-brltty-device.rules"
    rules.parent.mkdir(parents=True)
    rules.write_text("")
    (sound.root / "proc/77").mkdir()
    (sound.root / "proc/77/comm").write_text("ModemManager\n")
    findings, _ = examine(sound)
    assert [(finding.code, finding.mend) for finding in findings] == [
        ("brltty", "sudo apt-get remove brltty"),
        ("modemmanager", "sudo systemctl disable --now ModemManager"),
    ]


def test_an_adapter_that_holds_octets_back(sound: Host) -> None:
    machine = replace(sound, ports=[SerialPort("/dev/ttyUSB0", latency_timer_ms=16), SerialPort("/dev/ttyUSB1")])
    (finding,) = examine(machine)[0]
    assert finding.mend == "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer"
    assert "16 ms" in finding.problem


def test_no_wireshark_is_no_disaster(sound: Host) -> None:
    def none() -> Wireshark:
        raise NoWireshark("there is no tshark: install Wireshark first")

    (finding,) = examine(replace(sound, wireshark=none))[0]
    assert finding.code == "wireshark-missing"


def with_wireshark(machine: Host, **changes: object) -> Host:
    changed = replace(machine.wireshark(), **changes)  # type: ignore[arg-type]
    return replace(machine, wireshark=lambda: changed)


def test_versions_that_cannot_do_it(sound: Host) -> None:
    assert codes(with_wireshark(sound, version=(3, 6, 2))) == ["wireshark-old"]
    assert codes(with_wireshark(sound, plugins=None)) == ["wireshark-no-lua"]


@pytest.mark.parametrize(("version", "found"), [((4, 4, 0), ["lua-root"]), ((4, 2, 9), [])])
def test_root_gets_no_lua_from_4_4_on(sound: Host, version: tuple[int, int, int], found: list[str]) -> None:
    assert codes(with_wireshark(replace(sound, superuser=True), version=version)) == found


@pytest.mark.parametrize("installed", [True, False])
def test_an_installation_whose_profile_is_broken(sound: Host, tmp_path: Path, installed: bool) -> None:
    wireshark = sound.wireshark()
    assert wireshark.plugins
    mine = tmp_path / "mine.toml"
    mine.write_text("[profile]\nnme = 1\n")
    manifest = {"files": {}, "folders": [], "profiles": [str(mine)], "linktype": None}
    (wireshark.configuration / MANIFEST).write_text(json.dumps(manifest))
    if not installed:
        (wireshark.plugins / "vtctap.lua").unlink()
    (finding,) = examine(sound)[0]
    assert finding.code == "profile-broken"
    assert "mine.toml" in finding.problem
    assert finding.mend.startswith("vtctap wireshark install --force --profile ")
    mine.unlink()
    (finding,) = examine(sound)[0]
    assert "No such file" in finding.problem


def test_a_manifest_that_cannot_be_read(sound: Host) -> None:
    (sound.wireshark().configuration / MANIFEST).write_text("{")
    assert codes(sound) == ["manifest-broken"]


def test_a_profile_of_ones_own_that_is_broken(sound: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.dissector.profiles.names.user_directory", lambda: tmp_path / "profiles")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.toml").write_text("[profile")
    (finding,) = examine(sound)[0]
    assert finding.code == "profile"
    assert "mine.toml" in finding.problem
    assert finding.mend.startswith("vtctap profile check --profile mine")


def test_what_is_not_installed_stale_or_not_executable(sound: Host) -> None:
    wireshark = sound.wireshark()
    assert wireshark.plugins
    script, launcher = wireshark.plugins / "vtctap.lua", wireshark.extcap / "vtctap"
    script.write_text("-- of another version\n")
    assert codes(sound) == ["dissector-stale"]
    script.unlink()
    assert codes(sound) == ["not-installed"]
    Installation.of(wireshark).install(wanted(wireshark, examination.files(wireshark)[0].text, {}), force=True)
    Installation.of(wireshark).install(examination.files(wireshark), force=True)
    launcher.write_text("#!/bin/sh\nexec /gone/python\n")
    assert codes(sound) == ["launcher-stale"]


@pytest.mark.parametrize(
    ("attribute", "value", "code"),
    [
        ("complaint", "Lua: syntax error\n", "dissector-fails"),
        ("fields", "\n", "dissector-fails"),
        ("interfaces", "1. eth0\n", "extcap-fails"),
    ],
)
def test_what_tshark_says_of_it(
    sound: Host, attribute: str, value: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Said, attribute, value)
    assert codes(sound) == [code]


def test_a_tshark_that_stops_answering_is_a_problem(sound: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(arguments: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("tshark", 60)

    monkeypatch.setattr(subprocess, "run", silent)
    monkeypatch.setattr(Said, "run", Wireshark.run)
    findings, _ = examine(sound)
    assert {finding.code for finding in findings} == {"wireshark-fails"}
    assert "tshark does not run: " in findings[0].problem


def test_an_installed_file_that_cannot_be_read(sound: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other examinations go on."""
    script = sound.wireshark().extcap / "vtctap"
    read = Path.read_bytes

    def barred(path: Path) -> bytes:
        if path == script:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", barred)
    monkeypatch.setattr(Said, "interfaces", "1. eth0\n")
    findings, _ = examine(sound)
    assert [finding.code for finding in findings] == ["unreadable", "extcap-fails"]
    assert findings[0].problem == f"{script}: Permission denied"


def test_the_status_and_the_forms(
    sound: Host, monkeypatch: pytest.MonkeyPatch, inside: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    monkeypatch.setattr(doctor, "Host", lambda: sound)
    clean = inside("doctor")
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.endswith("nothing is missing\n")
    monkeypatch.setattr(doctor, "Host", lambda: replace(sound, readable=lambda device: False))
    found = inside("doctor")
    assert found.returncode == 1
    assert "\n    sudo usermod -aG dialout $USER" in found.stdout
    stated = inside("doctor", "--json")
    assert stated.returncode == 1
    (finding,) = json.loads(stated.stdout)["findings"]
    assert Diagnosis(**finding).code == "group"


def test_the_real_tshark_loads_the_dissector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing is installed, the doctor tries the files that would be installed."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TSHARK_HOME", str(tmp_path))
    machine = Host(superuser=False, ports=[])
    assert [*examination._dissector_loads(machine.wireshark(), superuser=False)] == []
