"""Faults of the program and of what it reads: kills, stops, the clock, lost ports, noise."""

import signal
import time
from collections.abc import Callable
from functools import partial
from mmap import mmap

from faults.ends import QUIET
from faults.oracle import Verdict
from faults.readers import small
from faults.scene import Failed, Scene
from vtctap.dissector.analysis.check import check
from vtctap.pcap.trace import open_trace
from vtctap.sniffer import capture as sniffer
from vtctap.sniffer.clock import Clock


def killed(scene: Scene) -> Verdict:
    """SIGKILL; one tap."""
    scene.capture()
    scene.dialogue()
    scene.pause(scene.random.random() / 5)
    due = scene.due()
    scene.signal(signal.SIGKILL)
    scene.ended(-signal.SIGKILL)
    return scene.beginning(due)


def pair_killed(scene: Scene) -> Verdict:
    """SIGKILL; two taps."""
    return killed(scene)


def stopped(scene: Scene) -> Verdict:
    """SIGSTOP, then SIGCONT."""
    scene.capture()
    _stop(scene)
    return scene.finish()


def _stop(scene: Scene) -> None:
    scene.traffic()
    scene.signal(signal.SIGSTOP)
    scene.traffic(20)
    time.sleep(scene.random.random() / 5)
    scene.signal(signal.SIGCONT)
    scene.traffic()


def stepped_clock(scene: Scene) -> Verdict:
    """The wall clock is set up to a day on or back."""
    clock = _FalseClock()
    scene.capture(before=clock.replace)
    for _ in range(3):
        _step(scene, clock)
    verdict = scene.finish()
    content = scene.content()
    if content.count("clock step=") != 3:
        raise Failed(f"three steps of the clock, but {content.events}")
    if content.times != sorted(content.times):
        raise Failed("the times go back")
    return verdict


class _FalseClock:
    """A wall clock that the campaign steps, shared with the capture's process."""

    def __init__(self) -> None:
        self.shared = mmap(-1, 8)

    def step(self, seconds: int) -> None:
        """Steps the clock."""
        before = int.from_bytes(self.shared[:8], "little", signed=True)
        self.shared[:8] = (before + seconds).to_bytes(8, "little", signed=True)

    def now(self) -> int:
        """Replaces time.time_ns."""
        return time.time_ns() + int.from_bytes(self.shared[:8], "little", signed=True) * 1_000_000_000

    def replace(self) -> None:
        """Gives a capture this clock, which is looked at more often than once a second."""
        sniffer._WATCH_NS = 20_000_000  # type: ignore[misc]
        vars(sniffer)["Clock"] = partial(Clock, wall=self.now)


def _step(scene: Scene, clock: _FalseClock) -> None:
    told = scene.trace().count(b"clock step=")
    scene.traffic(5)
    clock.step(scene.random.choice((-1, 1)) * scene.random.randint(1, 100_000))
    scene.talk_until(lambda: scene.trace().count(b"clock step=") > told, "no step is recorded")


def port_lost(scene: Scene) -> Verdict:
    """The port goes and comes back, amid a message."""
    scene.capture()
    _lose(scene)
    return scene.finish()


def _lose(scene: Scene) -> None:
    opened = scene.content().count("opened")
    port = scene.random.choice(scene.ports)
    tap = scene.ports.index(port)
    scene.traffic()
    scene.say(scene.message(0)[: scene.random.randint(1, 10)], tap)
    scene.settle(5 * QUIET)
    port.unplug()
    time.sleep(scene.random.random() / 5)
    port.plug_in()
    scene.say(scene.message(1), tap)
    scene.until(lambda: scene.content().count("opened") > opened, "the port is not opened again")
    scene.traffic()


def stalls_at_full_speed(scene: Scene) -> Verdict:
    """Stops of 0.1 s at 2 x 115200 bit/s."""
    scene.capture()
    for _ in range(3):
        scene.traffic(20)
        scene.signal(signal.SIGSTOP)
        scene.full_speed(0.1)
        scene.signal(signal.SIGCONT)
        scene.full_speed(0.1)
    return scene.finish()


def noise(scene: Scene) -> Verdict:
    """Random octets between messages."""
    scene.capture()
    scene.traffic(noise=0.5)
    return scene.finish()


def swapped_taps(scene: Scene) -> Verdict:
    """Each tap on the other side's wire."""
    scene.ports.reverse()
    scene.capture()
    scene.ports.reverse()
    for number in range(scene.random.randint(5, 20)):
        scene.say(scene.message(number, b"\x01R1\x02"), 0)
        scene.say(scene.message(number), 1)
    scene.settle()
    scene.signal()
    scene.ended(0)
    with open_trace(scene.path) as trace:
        if not any(finding.code == "taps-swapped" for finding in check(trace)):
            raise Failed("the taps are swapped, and the check does not say so")
    return scene.whole(taps=(1, 0))


def mixed(scene: Scene) -> Verdict:
    """Four of these in one capture, at random: stops, lost ports, the clock, noise, full speed, a stuck reader."""
    clock = _FalseClock()

    def prepare() -> None:
        small()
        clock.replace()

    scene.capture("--print", streams={1: scene.pipe()[1]}, before=prepare)
    reader = scene.readers[-1]

    def stick() -> None:
        reader.stuck = not reader.stuck

    deeds: list[Callable[[], None]] = [
        partial(_stop, scene),
        partial(_lose, scene),
        partial(_step, scene, clock),
        partial(scene.traffic, 10, 0.5),
        partial(scene.full_speed, 0.1),
        stick,
    ]
    for deed in scene.random.choices(deeds, k=4):
        deed()
    return scene.finish()
