"""Makes the pictures of docs/wireshark.md: a real Wireshark on a screen of its own, in a home of its own.

    python docs/screenshots.py [-o FOLDER] [NAME...]

Needs wireshark, Xvfb, openbox, xdotool, ImageMagick and pngquant ('make screenshots' installs them on Debian).
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

SIZE = (1280, 800)
PATIENCE = 30.0
"""Seconds for a window to appear."""
WINDOW = {
    "privs.warn_if_elevated": "FALSE",
    "gui.geometry_main_x": 0,
    "gui.geometry_main_y": 0,
    "gui.geometry_main_width": SIZE[0] - 2,
    "gui.geometry_main_height": SIZE[1] - 26,
    "gui.geometry_status_pane": 420,
}
PANES = {"gui.geometry_main_upper_pane": 330, "gui.geometry_main_lower_pane": 760}
TREE = (300, 505)
"""Where the tree shows the message, below the line of the packet."""


class Screen:
    """A screen with a window manager, and a home in which vtctap is installed in Wireshark."""

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
        """Runs a program to its end; its output."""
        return subprocess.run(
            [*map(str, arguments)], env=self._environment, cwd=self._home, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    @contextlib.contextmanager
    def running(self, *arguments: str | Path) -> Iterator[None]:
        """Inside, a program runs."""
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

    def await_window(self, title: str) -> None:
        """Waits for a window of that title, and then for its contents."""
        end = time.monotonic() + PATIENCE
        while title not in self._titles():
            if time.monotonic() > end:
                raise SystemExit(f"no window {title!r} appears; there are {self._titles()!r}")
            time.sleep(0.2)
        time.sleep(2)

    def _titles(self) -> str:
        search = ["xdotool", "search", "--onlyvisible", "--name", ".", "getwindowname", "%@"]
        done = subprocess.run(search, env=self._environment, capture_output=True, text=True, check=False)
        return done.stdout

    def keys(self, *names: str) -> None:
        """Presses keys, one after the other."""
        for name in names:
            self.run("xdotool", "key", name)
            time.sleep(0.4)

    def click(self, x: int, y: int) -> None:
        """Clicks."""
        self.run("xdotool", "mousemove", x, y, "click", 1)
        time.sleep(0.8)

    def picture(self, name: str) -> None:
        """Takes a picture of the screen, of few colours so that it stays small, with the pointer out of the way."""
        self.run("xdotool", "mousemove", SIZE[0], SIZE[1])
        time.sleep(0.8)
        path = self._pictures / f"{name}.png"
        self.run("import", "-window", "root", path)
        self.run("pngquant", "--force", "--strip", "--speed", "1", "--output", path, "128", path)


def _settings(values: dict[str, object]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in values.items())


def trace(screen: Screen) -> None:
    """The demo trace with its faults, in the profile."""
    screen.run(sys.executable, "-m", "vtctap", "demo", "--fast", "--faults", "-q", "-w", "demo.pcapng")
    with screen.running("wireshark", "-C", "vtctap", "-r", "demo.pcapng", "-g", "9"):
        screen.await_window("demo.pcapng")
        screen.click(*TREE)
        screen.keys("Right", "Down", "Down", "Right")
        screen.picture("wireshark-trace")


def graph(screen: Screen) -> None:
    """The I/O graphs of the demo."""
    screen.run(sys.executable, "-m", "vtctap", "demo", "--fast", "--faults", "-q", "-w", "graph.pcapng")
    with screen.running("wireshark", "-C", "vtctap", "-r", "graph.pcapng"):
        screen.await_window("graph.pcapng")
        screen.keys("alt+s", "i")
        screen.await_window("I/O Graphs")
        screen.picture("wireshark-graph")


def interfaces(screen: Screen) -> None:
    """The list of interfaces."""
    with screen.running("wireshark", "-C", "vtctap"):
        screen.await_window("The Wireshark Network Analyzer")
        screen.picture("wireshark-interfaces")


def live(screen: Screen) -> None:
    """A live capture of the simulated link, with its toolbar."""
    with screen.running("wireshark", "-C", "vtctap", "-k", "-i", "vtctap-demo"):
        screen.await_window("Capturing from")
        time.sleep(12)
        screen.picture("wireshark-live")


PICTURES = {picture.__name__: picture for picture in (trace, interfaces, live, graph)}


def main() -> int:
    """Makes all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description="Makes the pictures of docs/wireshark.md.")
    parser.add_argument("-o", dest="folder", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PICTURES))
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    for name in arguments.names or PICTURES:
        with tempfile.TemporaryDirectory(prefix="vtctap-screenshots-") as folder:
            read, write = os.pipe()
            server = subprocess.Popen(
                ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24"],
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
