"""Waiting for ports, in virtual time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.sniffer.arrival import PERIOD, SETTLING, missing, opened_when_there
from vtctap.sniffer.port import PortError


class World:
    """A folder of devices whose changes happen at given times (s)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.happens: dict[float, Callable[[], object]] = {}
        self.attempts: list[float] = []
        self.said: list[str] = []
        self.failing = ""

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for time in [time for time in self.happens if time <= self.now]:
            self.happens.pop(time)()
        assert self.now < 1000, "it waits for ever"

    def attempt(self) -> str:
        self.attempts.append(self.now)
        if self.failing:
            raise PortError(self.failing)
        return "open"

    def run(self, *names: str) -> str:
        return opened_when_there(names, self.attempt, self.said.append, clock=lambda: self.now, wait=self.wait)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_there_is_opened_at_once(world: World) -> None:
    (world.folder / "a").touch()
    assert world.run(str(world.folder / "a"), "socket://host:1") == "open"
    assert (world.now, world.said) == (0, [])


def test_nothing_is_opened_before_all_are_there(world: World) -> None:
    one, two = world.folder / "one", world.folder / "two"
    one.touch()
    world.happens = {7.0: two.touch}
    assert missing([str(one), str(two)]) == [str(two)]
    assert world.run(str(one), str(two)) == "open"
    assert world.attempts == [7.0]
    assert world.said == [f"waiting for {two}"]


def test_a_device_gets_time_for_its_permissions(world: World) -> None:
    port = world.folder / "port"
    world.failing = f"{port}: no permission"
    world.happens = {3.0: port.touch, 4.0: lambda: setattr(world, "failing", "")}
    assert world.run(str(port)) == "open"
    assert world.now == 4.0


def test_a_device_that_cannot_be_opened_is_an_error(world: World) -> None:
    port = world.folder / "port"
    port.touch()
    world.failing = f"{port}: no permission"
    with pytest.raises(PortError, match="no permission"):
        world.run(str(port))
    assert world.now == SETTLING


def test_a_network_is_waited_for_for_ever(world: World) -> None:
    world.failing = "socket://host:1: Could not open port"
    world.happens = {100.0: lambda: setattr(world, "failing", "")}
    assert world.run("socket://host:1") == "open"
    assert world.said == ["waiting for socket://host:1: Could not open port"]
    assert len(world.attempts) == 100 / PERIOD + 1
