"""Files that appear whole or not at all, whoever writes them: after a full disk, a signal, and a name that is taken."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from vtctap.command_line import outputs
from vtctap.command_line.outputs import print_together, refuse_existing, refuse_same, whole_file, whole_path, write_text
from vtctap.errors import CommandError, OutputError
from vtctap.pcap.streams import Output

LIMIT: Final = 4096
"""The size at which the disk of these tests is full, octets."""

WRITERS: Final = {
    "whole_path": """
        with whole_path(name, force=True) as partial:
            with open(partial, "wb", buffering=0) as file:
                write(file.write)
    """,
    "whole_file": """
        with whole_file(name, force=True) as file:
            write(file.write)
            file.flush()
    """,
    "whole_trace": """
        with whole_trace(Namespace(output=name, force=True, dlt=147, quiet=True), []) as writer:
            write(lambda octets: writer.write(Record(0, octets)))
    """,
    "write_text": """
        Path.exists = lambda path: end()
        write_text(name, "x" * (1 << 20), force=True)
    """,
    "an installed file": """
        from vtctap.base.replacing import replacing
        Path.chmod = lambda path, mode: end()
        with replacing() as replacement:
            replacement.write(Path(name), b"x" * (1 << 20))
    """,
}
"""Parts of programs that write more than :data:`LIMIT` octets to ``name``, and call ``end`` once they have begun."""

PROGRAM: Final = """
import os, resource, sys
from argparse import Namespace
from pathlib import Path
from vtctap.errors import Error
from vtctap.command_line.outputs import output_errors, whole_file, whole_path, whole_trace, write_text
from vtctap.pcap.record import Record

name, limit, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def end():
    if number:
        os.kill(os.getpid(), number)

def write(one):
    for _ in range(16):
        one(b"x" * 65_000)
    end()

def run():
{writer}

if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with output_errors(name):
        run()
except Error as error:
    sys.exit(str(error))
"""

posix = pytest.mark.skipif(os.name != "posix", reason="needs limits and signals")
each_writer = pytest.mark.parametrize("writer", WRITERS)


def ended(writer: str, name: Path, *, limit: int = 0, number: int = 0) -> "subprocess.CompletedProcess[str]":
    """Returns how a program ended that wrote to ``name`` on a disk of ``limit`` octets, or sent itself a signal."""
    # Without bytecode (-B): Python keeps a compiled module that the limit cuts, and can never import it again.
    program = [sys.executable, "-B", "-c", PROGRAM.replace("{writer}", WRITERS[writer])]
    return subprocess.run([*program, str(name), str(limit), str(number)], capture_output=True, text=True, check=False)


@posix
@each_writer
def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path, writer: str) -> None:
    name = tmp_path / "out.pcapng"
    name.write_text("old")
    done = ended(writer, name, limit=LIMIT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}: File too large")
    assert [*tmp_path.iterdir()] == [name]
    assert name.read_text() == "old"


@posix
@each_writer
def test_a_killed_program_leaves_the_old_file_and_the_next_one_succeeds(tmp_path: Path, writer: str) -> None:
    name = tmp_path / "out.pcapng"
    name.write_text("old")
    assert ended(writer, name, number=signal.SIGKILL).returncode == -signal.SIGKILL
    assert name.read_text() == "old"
    assert [path.name[0] for path in tmp_path.iterdir() if path != name] == ["."]
    done = ended(writer, name)
    assert (done.returncode, done.stderr) == (0, "")
    assert [*tmp_path.iterdir()] == [name]
    assert name.stat().st_size > LIMIT


@posix
def test_only_the_owner_reads_what_comes_from_a_trace(tmp_path: Path) -> None:
    with whole_file(str(tmp_path / "out.csv"), force=False) as file:
        file.write(b"1")
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600


@posix
def test_a_text_keeps_the_permissions_of_what_it_replaces(tmp_path: Path) -> None:
    name = tmp_path / "out.html"
    for force in (False, True):
        write_text(str(name), "new", force=force)
        assert stat.S_IMODE(name.stat().st_mode) == (0o640 if force else 0o600)
        name.chmod(0o640)
    write_text(os.devnull, "new", force=True)


def test_a_name_that_a_folder_has_taken(tmp_path: Path) -> None:
    name = tmp_path / "out.csv"
    name.mkdir()
    for writes in (whole_path(str(name), force=False), whole_file(str(name), force=True)):
        with pytest.raises(OutputError, match=r"out\.csv: Is a directory"), writes:
            pytest.fail("the work begins")
    assert [*tmp_path.iterdir()] == [name]


@posix
@pytest.mark.parametrize("writer", ["whole_path", "whole_file", "whole_trace"])
def test_of_two_programs_that_write_one_name_each_is_whole_or_refused(tmp_path: Path, writer: str) -> None:
    """The one that ends first has the name; the other says so. Neither writes into the other's file."""
    name = tmp_path / "out.pcapng"

    def overtaken() -> None:
        with whole_path(str(name), force=False) as partial:
            partial.write_text("mine")
            done = ended(writer, name)
            assert (done.returncode, done.stderr) == (0, "")
            assert partial.read_text() == "mine"

    with pytest.raises(OutputError, match=r"out\.pcapng was written by another program meanwhile"):
        overtaken()
    assert [*tmp_path.iterdir()] == [name]
    assert name.stat().st_size > LIMIT


@posix
def test_a_file_that_another_program_puts_there_last_of_all_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at the name and the moment when the file gets it."""
    name, look, looks = tmp_path / "out.csv", outputs.file_state, []

    def overtaken(path: Path) -> object:
        looks.append(look(path))
        if len(looks) == 2:
            name.write_text("theirs")
        return looks[-1]

    monkeypatch.setattr(outputs, "file_state", overtaken)
    with pytest.raises(OutputError, match=r"out\.csv was written by another program meanwhile"):
        write_text(str(name), "mine", force=False)
    assert (looks, name.read_text()) == ([None, None], "theirs")
    assert [*tmp_path.iterdir()] == [name]


def test_a_file_appears_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    write_text(str(tmp_path / "out.csv"), "new", force=False)
    assert (tmp_path / "out.csv").read_text() == "new"


def test_a_file_that_another_program_puts_there_after_the_first_look_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, look = tmp_path / "out.csv", outputs.file_state

    def overtaken(path: Path) -> object:
        if not name.exists():
            name.write_text("theirs")
        return look(path)

    monkeypatch.setattr(outputs, "file_state", overtaken)
    with pytest.raises(CommandError, match=r"out\.csv exists"):
        write_text(str(name), "mine", force=False)
    assert name.read_text() == "theirs"


@posix
def test_a_link_that_leads_nowhere_is_replaced(tmp_path: Path) -> None:
    name = tmp_path / "out.csv"
    name.symlink_to("nowhere")
    write_text(str(name), "new", force=False)
    assert (name.is_symlink(), name.read_text()) == (False, "new")


@posix
def test_an_error_names_the_file_and_not_its_incomplete_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    name = str(tmp_path / "file" / "out.csv")
    with pytest.raises(OutputError) as caught, whole_file(name, force=False):
        pass
    assert str(caught.value) == f"{name}: Not a directory"


def test_the_suffix_stays_because_writers_choose_by_it(tmp_path: Path) -> None:
    with whole_path(str(tmp_path / "out.pcapng.gz"), force=False) as partial:
        partial.write_text("new")
        assert (partial.parent, partial.suffix) == (tmp_path, ".gz")
        assert partial.name.startswith(".")


@posix
def test_a_file_that_a_capture_writes_is_left_alone(tmp_path: Path) -> None:
    """It is refused before the work begins, and after it, if the capture began meanwhile."""
    name = str(tmp_path / "t.pcapng")
    capture = Output(name)
    capture.write(b"a record")
    busy = pytest.raises(OutputError, match=r"t\.pcapng: another program is writing it")
    with busy:
        refuse_existing(name, force=True)
    with busy:
        write_text(name, "new", force=True)
    with busy, whole_path(name, force=True):
        pytest.fail("the work begins")
    with busy, whole_file(name, force=True):
        pytest.fail("the work begins")
    capture.close()
    with busy, whole_path(name, force=True) as partial:
        partial.write_text("new")
        capture = Output(name, force=True)
        capture.write(b"a record")
    assert Path(name).read_bytes() == b"a record"
    assert [*tmp_path.iterdir()] == [Path(name)]
    capture.close()
    write_text(name, "new", force=True)
    assert Path(name).read_text() == "new"


def test_two_outputs_are_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("a", "b")
    refuse_same("a", None, "", "c", "-", "")
    for one, other in (("a", "a"), ("a", "./a"), ("a", str(tmp_path / "a")), ("a", "b"), ("-", "-")):
        with pytest.raises(CommandError, match="is named for two outputs"):
            refuse_same(one, None, other)


@posix
def test_a_device_takes_two_outputs() -> None:
    refuse_same(os.devnull, os.devnull)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_texts_are_printed_in_order_and_all_before_an_error(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    def texts() -> Iterator[str]:
        yield from map(str, range(count))
        raise LookupError

    with pytest.raises(LookupError):
        print_together(texts())
    assert capsys.readouterr().out == "".join(f"{number}\n" for number in range(count))


def test_texts_are_printed_once_where_the_output_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def gone(text: str) -> None:
        written.append(text)
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    with pytest.raises(BrokenPipeError):
        print_together(map(str, range(1000)))
    assert len(written) == 1
