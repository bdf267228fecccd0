"""The manifest of an installation: vtctap reads what it wrote, and an installation that fails changes nothing."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vtctap.errors import CommandError, OutputError
from vtctap.wireshark.installation import Choices, File, Installation
from vtctap.wireshark.tshark import Wireshark, described

Run = Callable[..., CompletedProcess[str]]
Tree = dict[str, tuple[int, bytes]]

TSHARK = """\
#!/bin/sh
case "$1" in
--version) echo "TShark (Wireshark) 4.0.17";;
-G) printf 'Personal configuration:\\t%s\\nPersonal Lua Plugins:\\t%s\\n' "${CONFIG-$HOME/config}" "$HOME/plugins";;
esac
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory with a tshark that names its folders."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    (programs / "tshark").write_text(TSHARK)
    (programs / "tshark").chmod(0o755)
    for name in ("XDG_CONFIG_HOME", "CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return home


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A profile file."""
    path = tmp_path / "mine.toml"
    path.write_text('[profile]\nname = "mine"\ntitle = "Mine"\ninherits = "iec62055-52"\nsource = "me"\n'
                    'confidence = "confirmed"\n[registers.entries]\n"0021" = { name = "creditLeft" }\n')  # fmt: skip
    return path


def tree(folder: Path) -> Tree:
    """Returns the mode and the content of everything in a folder."""
    paths = sorted(folder.rglob("*"))
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in paths
    }


@pytest.mark.parametrize("linktype", [[], ["--dlt", "150"]])
@pytest.mark.parametrize(
    "names", [[], ["iec62056-21"], ["mine.toml"], ["iec62056-21", "mine.toml"], ["own"], ["own", "mine.toml", "own"]]
)
def test_each_installation_is_read_again(
    home: Path, mine: Path, inside: Run, names: list[str], linktype: list[str]
) -> None:
    (home / ".config/vtctap/profiles").mkdir(parents=True)
    shutil.copy(mine, home / ".config/vtctap/profiles/own.toml")
    before = tree(home)
    options = [word for name in names for word in ("--profile", name)] + linktype
    first = inside("wireshark", "install", *options)
    assert first.returncode == 0, first.stderr
    installed = tree(home)
    again = inside("wireshark", "install")
    assert (again.returncode, {line.partition(": ")[0] for line in again.stdout.splitlines()}) == (0, {"unchanged"})
    assert tree(home) == installed
    removed = inside("wireshark", "uninstall")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert tree(home) == before


def test_a_link_to_a_profile_stays_a_link(home: Path, mine: Path, tmp_path: Path, inside: Run) -> None:
    """The file behind it may have another suffix, by which a path is told from a name."""
    mine.rename(tmp_path / "profile-3.txt")
    (tmp_path / "linked.toml").symlink_to("profile-3.txt")
    assert inside("wireshark", "install", "--profile", "linked.toml").returncode == 0
    again = inside("wireshark", "install")
    assert (again.returncode, again.stderr) == (
        0,
        f"vtctap: using the profile of the last installation: {tmp_path / 'linked.toml'}\n",
    )


def test_folders_that_wireshark_names_relatively(
    home: Path, tmp_path: Path, inside: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are relative if the environment names them so (WIRESHARK_CONFIG_DIR); the manifest has absolute paths."""
    monkeypatch.setenv("CONFIG", "relative/config")
    assert inside("wireshark", "install").returncode == 0
    assert (tmp_path / "relative/config/vtctap.json").is_file()
    assert inside("wireshark", "install").returncode == 0
    assert inside("wireshark", "uninstall").returncode == 0
    assert [*home.iterdir()] == []
    assert not (tmp_path / "relative").exists()


FOLDERS = "Personal configuration:\t{0}\nPersonal Lua Plugins:\t{0}\n"
WORDS = st.text(st.characters(blacklist_characters="\0/"), min_size=1, max_size=20)
"""Also lone surrogates, which stand for the octets of a path that are not UTF-8."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    profiles=st.lists(WORDS.filter(lambda name: name not in (".", "..")) | WORDS.map(lambda name: f"/a/{name}.toml")),
    linktype=st.none() | st.integers(147, 162),
    names=st.lists(st.from_regex(r"[a-c]/[\w ]{1,8}|\w{1,8}", fullmatch=True).map(str.casefold), max_size=4),
)
def test_every_manifest_is_read_again(
    tmp_path: Path, profiles: list[str], linktype: int | None, names: list[str]
) -> None:
    folder = tmp_path / "installed"
    wireshark = described("tshark", "TShark 4.4.0", FOLDERS.format(folder / "config"))
    names = [name if "/" in name else f"d/{name}" for name in names]
    names = [name.removesuffix(" ") + "x" for name in names]
    choices = Choices(tuple(name for name in profiles if name != ".toml"), linktype)
    made = Installation.of(wireshark)
    made.install([File(folder / name, "\udcff") for name in names], force=False, choices=choices)
    read = Installation.of(wireshark)
    assert (read.files, read.folders, read.choices) == (made.files, made.folders, made.choices)
    read.uninstall(force=False)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "a\0b", "a/b", "/a/b", "/a\0b.toml", "b.toml", 1, None])
def test_a_profile_that_vtctap_writes_in_no_manifest(tmp_path: Path, name: object) -> None:
    text = {"files": {}, "folders": [], "profiles": [name], "linktype": None}
    (tmp_path / "vtctap.json").write_text(json.dumps(text))
    with pytest.raises(CommandError, match=r"vtctap\.json is damaged"):
        Installation.of(Wireshark("tshark", (4, 4, 0), tmp_path, tmp_path, tmp_path))


# Installations that fail.


def test_a_failed_installation_forgets_its_options(home: Path, mine: Path, inside: Run) -> None:
    assert inside("wireshark", "install").returncode == 0
    (dissector,) = home.rglob("vtctap.lua")
    colours = home / "config/profiles/vtctap/colorfilters"
    colours.unlink()
    blocked = colours.with_name(".colorfilters.partial")
    blocked.mkdir()
    before = tree(home)
    failed = inside("wireshark", "install", "--profile", "mine.toml", "--dlt", "150")
    assert (failed.returncode, failed.stdout) == (4, "")
    assert failed.stderr == f"vtctap: {colours}: Is a directory\n"
    assert tree(home) == before
    blocked.rmdir()
    assert inside("wireshark", "install").stderr == ""
    assert "creditLeft" not in dissector.read_text()


CALLS = [(Path, "write_bytes"), (Path, "mkdir"), (Path, "chmod"), (shutil, "copy2"), (os, "replace"), (Path, "unlink")]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[1])
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_every_failure_leaves_everything_as_it_was(tmp_path: Path, call: tuple[object, str], again: bool) -> None:
    """The first call fails, then the second, and so on, until none is left. After a failed write the disk is full."""
    folder = tmp_path / "installed"
    folder.mkdir()
    wireshark = Wireshark("tshark", (4, 4, 0), folder / "config/ws", folder / "plugins", folder / "lib/extcap")
    old = [File(folder / name, "old") for name in ("a", "plugins/b", "gone/c", "gone/d")]
    new = [File(folder / name, "new", executable=True) for name in ("a", "plugins/b", "lib/extcap/e")]
    if again:
        Installation.of(wireshark).install(old, force=False, choices=Choices(("p",), 150))
        (folder / "a").chmod(0o600)
        (folder / "gone/d").write_text("a person's")
    before = tree(folder)
    for number in range(1, 100):
        installation = Installation.of(wireshark)
        state = installation.files.copy(), installation.folders.copy(), installation.choices
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(getattr(*call), number, lasting=call[1] in ("write_bytes", "copy2"))
            patch.setattr(*call, lambda *given, failing=failing, **options: failing(*given, **options))
            said = outcome(lambda installation=installation: installation.install(new, force=False))
        if not said:
            break
        assert re.fullmatch(rf"{folder}/[^.]+(vtctap\.json)?: No space left on device", said)
        assert tree(folder) == before
        assert (installation.files, installation.folders, installation.choices) == state
    assert number > 1 or (call[1] == "copy2" and not again)
    hidden = {path.name for path in folder.rglob(".*")}
    assert hidden == (set() if not again or call[1] != "unlink" else {".c.before"})


def outcome(act: Callable[[], object]) -> str:
    """Returns the error of an action as text; "" if it succeeds."""
    try:
        act()
    except OutputError as error:
        return str(error)
    return ""


class Failing:
    """A function whose call of that number fails, or this and each later one."""

    def __init__(self, function: Callable[..., object], number: int, *, lasting: bool) -> None:
        self.function, self.left, self.lasting = function, number, lasting

    def __call__(self, *given: object, **options: object) -> object:
        self.left -= 1
        if self.left == 0 or (self.lasting and self.left < 0):
            raise OSError(28, "No space left on device")
        return self.function(*given, **options)
