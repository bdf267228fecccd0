"""Installing in Wireshark: in the installed one, and in folders as other versions print them."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess, run
from tempfile import TemporaryDirectory

import pytest

from equipment import PATIENCE
from vtctap.errors import OutputError
from vtctap.wireshark import tshark
from vtctap.wireshark.installation import File, Installation, launcher
from vtctap.wireshark.tshark import NoWireshark, Wireshark, described

Run = Callable[..., CompletedProcess[str]]

FOLDERS_4_0 = """\
Temp:                	/tmp
Personal configuration:	/home/anna/.config/wireshark
Personal Plugins:    	/home/anna/.local/lib/wireshark/plugins/4.0
Personal Lua Plugins:	/home/anna/.local/lib/wireshark/plugins
Global Lua Plugins:  	/usr/lib/x86_64-linux-gnu/wireshark/plugins
Extcap path:         	/usr/lib/x86_64-linux-gnu/wireshark/extcap
"""
FOLDERS_4_4 = FOLDERS_4_0.replace("Extcap path:         	", "Global Extcap path:  	").replace(
    "Global Lua", "Personal Extcap path:	/home/anna/.local/lib/wireshark/extcap\nGlobal Lua"
)
"""The folders as tshark 4.0.17 and 4.4.18 print them."""


@pytest.mark.parametrize(
    ("version", "folders", "extcap"),
    [
        ("TShark (Wireshark) 4.0.17 (Git v4.0.17 packaged as 4.0.17-0+deb12u3).", FOLDERS_4_0, ".config/wireshark"),
        ("TShark (Wireshark) 4.2.2 (Git v4.2.2).", FOLDERS_4_4, ".local/lib/wireshark"),
        ("TShark (Wireshark) 4.2.2, not naming the folder.", FOLDERS_4_0, ".local/lib/wireshark"),
        ("TShark (Wireshark) 4.4.18.", FOLDERS_4_4, ".local/lib/wireshark"),
        ("TShark (Wireshark) 4.6.0.", FOLDERS_4_4, ".local/lib/wireshark"),
    ],
)
def test_versions_look_for_capture_programs_in_different_places(version: str, folders: str, extcap: str) -> None:
    found = described("tshark", version, folders)
    assert found.version_text == version.split()[2].rstrip(".,")
    assert found.configuration == Path("/home/anna/.config/wireshark")
    assert found.plugins == Path("/home/anna/.local/lib/wireshark/plugins")
    assert found.extcap == Path("/home/anna", extcap, "extcap")


def test_what_is_no_tshark_is_refused() -> None:
    with pytest.raises(NoWireshark):
        described("tshark", "something 1.2", FOLDERS_4_4)
    with pytest.raises(NoWireshark):
        described("tshark", "TShark (Wireshark) 4.4.18.", "")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home directory for vtctap and tshark. Every user may read it, because tshark may run as another user
    than root."""
    with TemporaryDirectory(prefix="vtctap-test-") as outer:
        Path(outer).chmod(0o755)
        folder = Path(outer, "anna's home")
        folder.mkdir()
        _settle(monkeypatch, folder)
        yield folder


def _settle(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("XDG_", "WIRESHARK"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TSHARK_HOME", str(folder))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def ask(*arguments: str | Path) -> CompletedProcess[str]:
    """Returns tshark's output."""
    return run(["tshark", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_install_use_and_uninstall_in_the_real_wireshark(home: Path, tmp_path: Path, vtctap: Run) -> None:
    installed = vtctap("wireshark", "install")
    assert (installed.returncode, installed.stderr) == (0, "") or "loads no Lua for root" in installed.stderr
    assert {line.partition(": ")[0] for line in installed.stdout.splitlines()} == {"installed"}
    again = vtctap("wireshark", "install")
    assert {line.partition(": ")[0] for line in again.stdout.splitlines()} == {"unchanged"}

    assert "vtctap-demo (Meter link (simulated))" in ask("-D").stdout
    live = ask("-i", "vtctap-demo", "-c", "20")
    shown = live.stdout.splitlines()
    assert len(shown) == 20
    assert "client → server" in shown[2]
    assert "ReadCommand R 2000 version" in shown[2]
    assert "Data 2000(01) version" in shown[3]

    vtctap("demo", "--fast", "-w", "demo.pcapng", "-q")
    trace = tmp_path / "demo.pcapng"
    written = ask("-r", trace, "-Y", 'vtc.message == "WriteCommand" && vtc.bcc.status == "good"').stdout.splitlines()
    assert len(written) == 8
    assert all("WriteCommand W FFFF(" in line for line in written)

    columns = ask("-C", "vtctap", "-r", trace, "-c", "4")
    assert columns.stderr.replace('Running as user "root" and group "root". This could be dangerous.\n', "") == ""
    assert columns.stdout.splitlines()[3].split() == [
        *("4", "1.286263918", "server", "0.244597252", "good", "Data", "2000(01)", "version=1")
    ]
    flow = ask("-C", "vtctap", "-r", trace, "-q", "-z", "flow,any,network").stdout.splitlines()
    assert flow[0].split("|")[2].split() == ["client"]
    assert flow[1].split("|")[3].split() == ["server"]

    removed = vtctap("wireshark", "uninstall")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert [*home.rglob("*")] == []
    assert "vtctap" not in ask("-D").stdout


def test_every_filter_of_the_profile_compiles(home: Path, tmp_path: Path, inside: Run) -> None:
    """Wireshark leaves out a colour or a button with an invalid filter, and reports that where nobody looks."""
    from vtctap.dissector.wireshark import configuration as wireshark_profile

    assert inside("wireshark", "install").returncode == 0
    inside("demo", "--fast", "-w", "demo.pcapng", "-q")
    filters = {rule for _, rule, *_ in wireshark_profile.COLOURS} | {rule for _, rule in wireshark_profile.BUTTONS}
    filters |= {rule for _, rule, *_ in wireshark_profile.GRAPHS}
    together = " || ".join(f"({rule})" for rule in sorted(filters))
    done = ask("-r", tmp_path / "demo.pcapng", "-Y", together)
    assert done.returncode == 0, done.stderr
    switch = wireshark_profile.files()["profile_settings"].partition(": ")[2].strip()
    assert len(ask("-r", tmp_path / "demo.pcapng", "-Y", switch).stdout.splitlines()) == 96


def test_installing_again_keeps_the_profile(home: Path, tmp_path: Path, inside: Run) -> None:
    """The link type stays as well until another one is named; doctor finds nothing outdated."""
    mine = tmp_path / "mine.toml"
    mine.write_text('[profile]\nname = "mine"\ntitle = "Mine"\ninherits = "iec62055-52"\nsource = "me"\n'
                    'confidence = "confirmed"\n[registers.entries]\n"0021" = { name = "creditLeft" }\n')  # fmt: skip
    assert inside("wireshark", "install", "--profile", "mine.toml", "--dlt", "150", "-q").stdout == ""
    (dissector,) = home.rglob("vtctap.lua")
    first = dissector.read_text()
    assert "creditLeft" in first
    again = inside("wireshark", "install")
    assert f"using the profile of the last installation: {mine}" in again.stderr
    assert dissector.read_text() == first
    assert "dissector-stale" not in inside("doctor", "--json").stdout
    inside("wireshark", "install", "--profile", "iec62056-21", "--profile", "iec62055-52")
    assert "creditLeft" not in dissector.read_text()
    assert ", profiles iec62056-21, iec62055-52;" in dissector.read_text().splitlines()[0]


def test_the_shipped_profiles_are_a_choice(tmp_path: Path, inside: Run) -> None:
    assert inside("wireshark", "lua", "-o", "vtctap.lua", "-q").returncode == 0
    assert ", profiles iec62055-52, iec62056-21;" in (tmp_path / "vtctap.lua").read_text().splitlines()[0]


def test_what_is_put_as_json(home: Path, inside: Run) -> None:
    """Each file gives one object: its path, what was done, and whether the file was kept because the user changed
    it."""
    put = [json.loads(line) for line in inside("wireshark", "install", "--json").stdout.splitlines()]
    assert {(item["action"], item["kept"]) for item in put} == {("installed", False)}
    assert all(Path(item["path"]).is_file() for item in put)
    assert {Path(item["path"]).name for item in put} >= {"vtctap.lua", "vtctap", "colorfilters"}
    changed = next(home.rglob("colorfilters"))
    changed.write_text("mine\n")
    done = inside("wireshark", "uninstall", "--json")
    assert done.returncode == 1
    kept = [item for item in map(json.loads, done.stdout.splitlines()) if item["kept"]]
    assert [item["path"] for item in kept] == [str(changed)]
    refused = inside("wireshark", "lua", "--json", "-o", "x.lua")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_a_dry_run_changes_nothing(home: Path, inside: Run) -> None:
    planned = inside("wireshark", "install", "--dry-run")
    assert planned.returncode == 0
    assert all(line.startswith("would be installed: ") for line in planned.stdout.splitlines())
    assert [*home.rglob("*")] == []
    inside("wireshark", "install")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    planned = inside("wireshark", "uninstall", "--dry-run")
    assert all(line.startswith("would be removed: ") for line in planned.stdout.splitlines())
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_without_a_wireshark_it_says_so(home: Path, inside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    refused = inside("wireshark", "install")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "install Wireshark first" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_the_profile_is_a_zip_of_one_folder(tmp_path: Path, inside: Run) -> None:
    assert inside("wireshark", "profile", "-o", "a.zip").returncode == 0
    inside("wireshark", "profile", "-o", "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert sorted(archive.namelist()) == [
            f"vtctap/{name}"
            for name in (
                *("colorfilters", "dfilter_buttons", "hosts", "io_graphs", "preferences", "profile_settings", "recent"),
            )
        ]
        assert archive.read("vtctap/profile_settings") == b"auto_switch_filter: vtc\n"
        assert b'@Check bad@vtc.bcc.status == "bad" || vtc.crc.status == "bad"@[62708,46774,46774][23644,0,0]\n' in (
            archive.read("vtctap/colorfilters")
        )
        assert b'"TRUE","Writes","vtc.message == \\x22WriteCommand\\x22",""\n' in archive.read("vtctap/dfilter_buttons")
    refused = inside("wireshark", "profile", "-o", "a.zip")
    assert refused.returncode == 2
    assert "--force" in refused.stderr


@pytest.mark.parametrize("arguments", [["lua"], ["profile"], ["install", "-o", "x"]])
def test_each_action_has_its_own_options(arguments: list[str], inside: Run) -> None:
    assert inside("wireshark", *arguments).returncode == 2


# The manifest, without Wireshark.


@pytest.fixture
def wireshark(tmp_path: Path) -> Wireshark:
    return Wireshark("tshark", (4, 4, 0), tmp_path / "config", tmp_path / "lib/plugins", tmp_path / "lib/extcap")


def verbs(steps: object) -> list[str]:
    return [step.verb.partition(",")[0] for step in steps]  # type: ignore[attr-defined]


def test_what_a_person_changed_is_neither_overwritten_nor_removed(wireshark: Wireshark, tmp_path: Path) -> None:
    plugin, colours = tmp_path / "lib/plugins/vtctap.lua", tmp_path / "config/profiles/vtctap/colorfilters"
    files = [File(plugin, "one"), File(colours, "red")]
    assert verbs(Installation.of(wireshark).install(files, force=False)) == ["installed", "installed"]
    colours.write_text("mine")
    newer = [File(plugin, "two"), File(colours, "blue")]
    assert verbs(Installation.of(wireshark).install(newer, force=False)) == ["updated", "left as it is"]
    assert (plugin.read_text(), colours.read_text()) == ("two", "mine")

    steps = Installation.of(wireshark).uninstall(force=False)
    assert [(step.path, step.kept) for step in steps] == [(colours, True), (plugin, False)]
    assert colours.read_text() == "mine"
    assert verbs(Installation.of(wireshark).uninstall(force=True)) == ["removed"]
    assert [*tmp_path.iterdir()] == []


def test_a_file_of_somebody_else_is_left(wireshark: Wireshark, tmp_path: Path) -> None:
    plugin = tmp_path / "lib/plugins/vtctap.lua"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("theirs")
    (step,) = Installation.of(wireshark).install([File(plugin, "ours")], force=False)
    assert step.kept
    assert Installation.of(wireshark).uninstall(force=True) == []
    assert plugin.read_text() == "theirs"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["vtctap.lua"]


def test_folders_that_were_there_or_are_used_stay(wireshark: Wireshark, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    installation = Installation.of(wireshark)
    installation.install([File(tmp_path / "lib/plugins/vtctap.lua", "x"), File(tmp_path / "new/a/b", "x")], force=False)
    (tmp_path / "new/note").write_text("a person's")
    Installation.of(wireshark).uninstall(force=False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["lib", "new", "note"]


def test_what_wireshark_writes_at_its_end_is_no_persons_work(wireshark: Wireshark, tmp_path: Path) -> None:
    recent = tmp_path / "config/profiles/vtctap/recent"
    Installation.of(wireshark).install([File(recent, "widths")], force=False)
    recent.write_text("regenerated each time Wireshark is quit")
    assert verbs(Installation.of(wireshark).install([File(recent, "new widths")], force=False)) == ["unchanged"]
    assert recent.read_text().startswith("regenerated")
    assert verbs(Installation.of(wireshark).uninstall(force=False)) == ["removed"]
    assert [*tmp_path.iterdir()] == []


def test_a_file_that_is_no_longer_wanted_goes(wireshark: Wireshark, tmp_path: Path) -> None:
    old, new = tmp_path / "lib/old", tmp_path / "lib/new"
    Installation.of(wireshark).install([File(old, "x")], force=False)
    assert verbs(Installation.of(wireshark).install([File(new, "y")], force=False)) == ["installed", "removed"]
    assert [path.name for path in (tmp_path / "lib").iterdir()] == ["new"]


def test_a_damaged_manifest_is_told(wireshark: Wireshark) -> None:
    from vtctap.errors import CommandError

    wireshark.configuration.mkdir()
    sound = {"files": {}, "folders": [], "profiles": [], "linktype": None}
    planted = ({"files": {"/a\0b": "1"}}, {"files": {"b": "1"}}, {"folders": ["/a\0b"]})
    for text in (
        "{",
        json.dumps([]),
        json.dumps({"files": 1, "folders": []}),
        *(json.dumps(sound | p) for p in planted),
    ):
        (wireshark.configuration / "vtctap.json").write_text(text)
        with pytest.raises(CommandError, match=r"vtctap\.json is damaged"):
            Installation.of(wireshark)


def test_the_launcher_knows_its_interpreter_and_has_no_suffix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path has a space and a quote, as home directories may have, and is longer than a shebang may be."""
    folder = tmp_path / "o'brien documents" / ("x" * 120)
    folder.mkdir(parents=True)
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    program = tmp_path / "vtctap"
    program.write_text(launcher())
    program.chmod(0o755)
    done = run([program, "--fifo", "a b"], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert done.stdout == "-P -m vtctap.wireshark.extcap --fifo a b\n"


def test_the_wireshark_here_names_its_folders(home: Path) -> None:
    found = tshark.find()
    assert found.tshark == shutil.which("tshark")
    assert found.configuration == home / ".config/wireshark"
    assert found.run(["--version"]).returncode == 0


def test_an_installation_that_fails_is_undone(tmp_path: Path) -> None:
    """The second file cannot be written, because a file has the name of its folder."""
    (tmp_path / "full").write_text("a file")
    mine = Installation(tmp_path / "conf" / "vtctap.json", {}, [])
    files = [File(tmp_path / "plugins" / "a.lua", "new"), File(tmp_path / "full" / "b", "new")]
    with pytest.raises(OSError, match="full"):
        mine.install(files, force=False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full"]
    assert mine.files == {}


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the part of a file that was still written."""
    mine = Installation(tmp_path / "conf" / "vtctap.json", {}, [])
    written = Path.write_bytes

    def failing(path: Path, content: bytes) -> int:
        if "plugins" in path.parts:
            written(path, content[:2])
            raise OSError(28, "No space left on device")
        return written(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(OutputError) as raised:
        mine.install([File(tmp_path / "plugins" / "a.lua", "new")], force=False)
    assert str(raised.value) == f"{tmp_path / 'plugins' / 'a.lua'}: No space left on device"
    assert list(tmp_path.rglob("*")) == []


def test_an_update_that_fails_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Installation(tmp_path / "vtctap.json", {}, [])
    names = [tmp_path / "a", tmp_path / "b"]
    mine.install([File(name, "old") for name in names], force=False)
    manifest = mine.manifest.read_text()
    replaced = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == names[1]:
            raise OSError(28, "No space left on device", str(target))
        replaced(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OutputError):
        mine.install([File(name, "new") for name in names], force=False)
    assert [name.read_text() for name in names] == ["old", "old"]
    assert mine.manifest.read_text() == manifest


def test_the_manifest_is_there_before_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Installation(tmp_path / "vtctap.json", {}, [])
    replaced = os.replace

    def killed(source: Path, target: Path) -> None:
        if target == tmp_path / "a":
            os._exit(9)
        replaced(source, target)

    monkeypatch.setattr(os, "replace", killed)
    child = os.fork()
    if not child:
        mine.install([File(tmp_path / "a", "new")], force=False)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list(json.loads(mine.manifest.read_text())["files"]) == [str(tmp_path / "a")]
