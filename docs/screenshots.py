"""Makes the pictures of docs/wireshark.md: Wireshark runs on a virtual screen, with a temporary home directory.

    python docs/screenshots.py [-o FOLDER] [NAME...]

It needs wireshark, Xvfb, openbox, xdotool, ImageMagick and pngquant ('make screenshots' installs them on Debian).
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SCREEN = (1280, 1000)
SIZE = (1180, 760)
"""Width and height of Wireshark's main window with its frame, in pixels."""
PATIENCE = 30.0
"""Longest wait for a window to appear, or for a program to end, in seconds."""
WINDOW = {
    "privs.warn_if_elevated": "FALSE",
    "gui.geometry_main_x": 0,
    "gui.geometry_main_y": 0,
    "gui.geometry_main_width": SIZE[0] - 2,
    "gui.geometry_main_height": SIZE[1] - 26,
    "gui.geometry_status_pane": 420,
}
PANES = {"gui.geometry_main_upper_pane": 300, "gui.geometry_main_lower_pane": 580}
TREE = (300, 468)
"""Position of the message's line in the packet tree."""
ROW = (600, 400)
"""Position of a packet near the end of the packet list."""
FLOW_GRAPH = 16
"""Position of the item "Flow Graph" in the menu Statistics of Wireshark 4.0, counted from 0."""


class Screen:
    """A virtual screen, and a home directory in which vtctap is installed in Wireshark."""

    def __init__(self, home: Path, display: str, pictures: Path) -> None:
        self._home = home
        self._pictures = pictures
        runtime = home / "run"
        runtime.mkdir(mode=0o700)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "WAYLAND"))},
            "HOME": str(home),
            "DISPLAY": display,
            "XDG_RUNTIME_DIR": str(runtime),
            "LC_ALL": "C.UTF-8",
        }
        self.run(sys.executable, "-m", "vtctap", "wireshark", "install")
        configuration = home / ".config/wireshark"
        (configuration / "recent_common").write_text(_settings(WINDOW))
        with (configuration / "profiles/vtctap/recent").open("a") as recent:
            recent.write(_settings(PANES))

    def run(self, *arguments: str | Path) -> str:
        """Runs a program to its end and returns its output."""
        return subprocess.run(
            [*map(str, arguments)], env=self._environment, cwd=self._home, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    @contextlib.contextmanager
    def running(self, *arguments: str | Path) -> Iterator[None]:
        """Runs a program until the block ends."""
        program = subprocess.Popen(
            [*map(str, arguments)],
            env=self._environment,
            cwd=self._home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            program.terminate()
            program.wait(PATIENCE)

    def await_window(self, title: str, *, then: float = 2) -> str:
        """Waits for a window with this title, then for its contents (``then``, in seconds). Returns the window's
        number."""
        end = time.monotonic() + PATIENCE
        while not (found := self._windows(title)):
            if time.monotonic() > end:
                raise SystemExit(f"no window {title!r} appears")
            time.sleep(0.2)
        time.sleep(then)
        return found[-1]

    def _windows(self, title: str) -> list[str]:
        search = ["xdotool", "search", "--onlyvisible", "--name", title]
        done = subprocess.run(search, env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout.split()

    def place(self, window: str, width: int, height: int) -> None:
        """Resizes a window and moves it so that all of it is visible."""
        self.run("xdotool", "windowsize", window, width, height, "windowmove", window, 20, 40)
        time.sleep(1)

    def keys(self, *names: str) -> None:
        """Presses keys one after another."""
        for name in names:
            self.run("xdotool", "key", name)
            time.sleep(0.4)

    def click(self, x: int, y: int) -> None:
        """Clicks at a position."""
        self.run("xdotool", "mousemove", x, y, "click", 1)
        time.sleep(0.8)

    def picture(self, name: str, window: str) -> None:
        """Takes a picture of a window without the pointer. Fewer colours make the file smaller."""
        self.run("xdotool", "mousemove", *SCREEN)
        time.sleep(0.8)
        path = self._pictures / f"{name}.png"
        self.run("import", "-frame", "-window", window, path)
        self.run("pngquant", "--force", "--strip", "--speed", "1", "--output", path, "128", path)


def _settings(values: dict[str, object]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in values.items())


@contextlib.contextmanager
def demonstration(screen: Screen, *arguments: str) -> Iterator[str]:
    """Shows the demo's trace in Wireshark until the block ends. Yields the number of Wireshark's window."""
    screen.run(sys.executable, "-m", "vtctap", "demo", "--fast", "--faults", "-q", "-w", "demo.pcapng")
    with screen.running("wireshark", "-C", "vtctap", "-r", "demo.pcapng", *arguments):
        yield screen.await_window("demo.pcapng")


def trace(screen: Screen) -> None:
    """Shows a packet with a bad check character."""
    with demonstration(screen, "-g", "9") as window:
        screen.click(*TREE)
        screen.keys("Right", "Down", "Down", "Right")
        screen.picture("wireshark-trace", window)


def token(screen: Screen) -> None:
    """Shows a token that the meter rejects."""
    with demonstration(screen, "-J", "vtc.expert.token_rejected") as window:
        screen.click(*TREE)
        screen.keys("Right", "Down", "Down", "Right", "Down", "Right")
        screen.picture("wireshark-token", window)


def experts(screen: Screen) -> None:
    """Shows the expert information."""
    with demonstration(screen, "-z", "expert"):
        window = screen.await_window("Expert Information")
        screen.place(window, 900, 420)
        screen.picture("wireshark-experts", window)


def flow(screen: Screen) -> None:
    """Shows the flow graph."""
    with demonstration(screen):
        screen.keys("alt+s", *["Down"] * FLOW_GRAPH, "Return")
        window = screen.await_window("Flow")
        screen.place(window, 860, 560)
        screen.picture("wireshark-flow", window)


def graph(screen: Screen) -> None:
    """Shows the I/O graphs."""
    with demonstration(screen):
        screen.keys("alt+s", "i")
        window = screen.await_window("I/O Graphs")
        screen.place(window, 904, 700)
        screen.picture("wireshark-graph", window)


def statistics(screen: Screen) -> None:
    """Shows the dissector's statistics. vtctap is the last entry of the menu Tools."""
    with demonstration(screen):
        screen.keys("alt+t", "Up", "Right", "Down", "Return")
        window = screen.await_window("vtctap: statistics")
        screen.place(window, 660, 720)
        screen.picture("wireshark-statistics", window)


def session(screen: Screen) -> None:
    """Shows a session as text."""
    with demonstration(screen):
        screen.keys("alt+t", "Up", "Right", "Return")
        window = screen.await_window("session as text")
        screen.place(window, 940, 560)
        screen.picture("wireshark-session", window)


def interfaces(screen: Screen) -> None:
    """Shows the list of interfaces."""
    with screen.running("wireshark", "-C", "vtctap"):
        window = screen.await_window("The Wireshark Network Analyzer")
        screen.picture("wireshark-interfaces", window)


def live(screen: Screen) -> None:
    """Shows a live capture of the simulated link, with its toolbar."""
    with screen.running("wireshark", "-C", "vtctap", "-k", "-i", "vtctap-demo"):
        window = screen.await_window("Capturing from", then=14)
        screen.click(*ROW)
        screen.click(*TREE)
        screen.keys("Right", "Down", "Down", "Right")
        screen.picture("wireshark-live", window)


PICTURES = {
    picture.__name__: picture for picture in (trace, token, experts, flow, graph, statistics, session, interfaces, live)
}


def main() -> int:
    """Makes the named pictures, or all."""
    parser = argparse.ArgumentParser(description="Makes the pictures of docs/wireshark.md.")
    parser.add_argument("-o", dest="folder", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    for name in arguments.names or PICTURES:
        with tempfile.TemporaryDirectory(prefix="vtctap-screenshots-") as folder:
            read, write = os.pipe()
            server = subprocess.Popen(
                ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SCREEN[0]}x{SCREEN[1]}x24"],
                pass_fds=[write],
                stderr=subprocess.DEVNULL,
            )
            try:
                display = f":{os.read(read, 16).decode().strip()}"
                screen = Screen(Path(folder), display, arguments.folder.resolve())
                with screen.running("openbox"):
                    PICTURES[name](screen)
            finally:
                server.terminate()
                server.wait()
                os.close(read)
                os.close(write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
