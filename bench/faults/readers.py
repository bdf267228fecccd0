"""Faults of those who read what a capture writes: pipes, terminals, Wireshark."""

import io
import os
import time
from pathlib import Path
from typing import Final

from faults.ends import Reader, open_terminal
from faults.oracle import LINE, Verdict
from faults.scene import SPEED, Scene
from vtctap.capturing import printing, recording
from vtctap.wireshark import extcap

_HELD: Final = 20_000
"""Octets that a capture holds for readers here, instead of megabytes: stalls show sooner."""


def small() -> None:
    """Makes the buffers of a capture small, in its process."""
    recording.HELD = printing.HELD = _HELD  # type: ignore[misc]


def trace_pipe_stuck(scene: Scene) -> Verdict:
    """Nobody reads -w - for a while."""
    reader = _piped(scene)
    reader.stuck = True
    scene.traffic(scene.random.randint(100, 400))
    scene.settle()
    reader.stuck = False
    scene.traffic()
    return _piped_whole(scene, reader)


def trace_pipe_stuck_to_the_end(scene: Scene) -> Verdict:
    """Nobody reads -w -, then SIGTERM."""
    reader = _piped(scene)
    scene.traffic(5)
    reader.stuck = True
    scene.traffic(scene.random.randint(300, 400))
    scene.settle()
    scene.signal()
    scene.ended(4, "the reader of standard output stalls: the last [0-9]+ octets of the trace are lost")
    reader.stuck = False
    reader.read()
    return scene.beginning([0], io.BytesIO(reader.octets))


def trace_pipe_closed(scene: Scene) -> Verdict:
    """The reader of -w - goes away."""
    reader = _piped(scene)
    scene.traffic()
    due = scene.due()
    reader.read()
    reader.close()
    scene.talk_until(lambda: scene.over, "a reader that is gone is not noticed")
    scene.ended(0)
    return scene.beginning(due, io.BytesIO(reader.octets))


def _piped(scene: Scene) -> Reader:
    reader, end = scene.pipe()
    scene.start(*scene.command("-w", "-"), streams={1: end}, before=small)
    scene.listening(lambda: reader.octets)
    return reader


def _piped_whole(scene: Scene, reader: Reader) -> Verdict:
    scene.signal()
    scene.ended(0)
    return scene.whole(io.BytesIO(reader.octets))


def lines_pipe_stuck(scene: Scene) -> Verdict:
    """Nobody reads --print."""
    reader, end = scene.pipe()
    scene.capture("--print", streams={1: end}, before=small)
    reader.stuck = True
    scene.traffic(200)
    return scene.finish()


def lines_pipe_closed(scene: Scene) -> Verdict:
    """The reader of --print goes away."""
    reader, end = scene.pipe()
    scene.capture("--print", streams={1: end})
    scene.traffic()
    reader.close()
    scene.talk_until(lambda: scene.over, "a reader that is gone is not noticed")
    scene.ended(0)
    return scene.whole()


def errors_pipe_stuck(scene: Scene) -> Verdict:
    """Nobody reads standard output and error."""
    reader, end = scene.pipe()
    reader.stuck = True
    scene.capture("--print", streams={1: os.dup(end), 2: end}, before=small)
    scene.traffic(200)
    scene.settle()
    scene.signal()
    scene.ended(0)
    return scene.whole()


def statistics_stuck(scene: Scene) -> Verdict:
    """Nobody reads --stats-json."""
    fifo = scene.folder / "statistics"
    os.mkfifo(fifo)
    scene.capture("--stats-json", fifo)
    scene.traffic()
    scene.settle()
    scene.signal()
    scene.until(lambda: scene.trace().count(b"closed octets=") == len(scene.ports), "it does not end")
    while not scene.over:
        scene.signal()
        time.sleep(0.05)
    return scene.whole()


def terminal_stopped(scene: Scene) -> Verdict:
    """Ctrl-S."""
    person = _on_a_terminal(scene)
    scene.traffic(5)
    os.write(person.descriptor, b"\x13")  # Ctrl-S
    scene.traffic(100)
    scene.settle()
    scene.signal()
    scene.ended(0)
    return scene.whole()


def terminal_closed(scene: Scene) -> Verdict:
    """The terminal's window is closed."""
    person = _on_a_terminal(scene)
    scene.traffic()
    person.close()
    scene.talk_until(lambda: scene.over, "a terminal that is gone is not noticed")
    scene.ended(0)
    return scene.whole()


def _on_a_terminal(scene: Scene) -> Reader:
    far, near = open_terminal()
    scene.readers.append(Reader(far))
    scene.capture("--print", streams={0: near, 1: os.dup(near), 2: os.dup(near)}, terminal=True)
    return scene.readers[-1]


def control_pipes_stuck(scene: Scene) -> Verdict:
    """Wireshark does not read its toolbar's pipe."""
    reader, _ = _in_wireshark(scene)
    scene.traffic(50)
    return _piped_whole(scene, reader)


def wireshark_gone(scene: Scene) -> Verdict:
    """Wireshark closes all pipes."""
    reader, controls = _in_wireshark(scene)
    scene.traffic()
    due = scene.due()
    for gone in (reader, *controls):
        gone.read()
        gone.close()
    scene.talk_until(lambda: scene.over, "that Wireshark is gone is not noticed")
    scene.ended(0)
    return scene.beginning(due, io.BytesIO(reader.octets))


def _in_wireshark(scene: Scene) -> tuple[Reader, list[Reader]]:
    """Starts a capture as Wireshark does, with control pipes of which nobody reads the one for messages to it."""
    paths = [scene.folder / name for name in ("fifo", "out", "in")]
    for path in paths:
        os.mkfifo(path)
    readers = [Reader(os.open(path, os.O_RDONLY | os.O_NONBLOCK)) for path in paths[:2]]
    readers.append(Reader(os.open(paths[2], os.O_RDWR | os.O_NONBLOCK)))
    readers[1].stuck = readers[2].stuck = True
    scene.readers += readers
    options: list[str | Path] = ["--fifo", paths[0], "--extcap-control-out", paths[1], "--extcap-control-in", paths[2]]
    port = os.path.relpath(scene.ports[0].name, "/dev")
    options += ["--speed", str(SPEED), "--line", str(LINE)]
    scene.start("--capture", "--extcap-interface", f"vtctap-{port}", *options, program=extcap.main)
    scene.listening(lambda: readers[0].octets)
    return readers[0], readers[1:]
