"""Other programs: a port in use is refused, and octets that another program reads are reported missing."""

from collections.abc import Iterator
from typing import Final

from adapters import Uart, UsbAdapter
from capturing import Capture
from wire import SHORT, length, session

from checks.bench import Bench, Row, counted

HOLDER: Final = (
    "python -c 'import fcntl, os, termios, time\n"
    'port = os.open("{port}", os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)\n'
    "fcntl.ioctl(port, termios.TIOCEXCL)\n"
    'open("/tmp/held", "w").close()\n'
    "time.sleep(60)'"
)


def in_use(bench: Bench) -> Iterator[Row]:
    """A port that another program holds is refused, even to root, and its DTR and RTS do not change."""
    second = f"vtctap capture -i {bench.uart.port} -a duration:1 -w /tmp/second.pcapng --force"
    with Capture(bench.machine, bench.uart):
        bench.uart.forget()
        for who, user in (("root", 0), ("a user", 1000)):
            done = bench.machine.run_program(second, user, HOME="/tmp")
            yield Row(bench.uart.driver, f"{who}'s second capture", "3, in use", _refused(done.status, done.output))
        yield Row(bench.uart.driver, "DTR and RTS meanwhile", "0 pulses", counted(bench.uart.pulses()))
    holder = bench.machine.start(f"exec {HOLDER.format(port=bench.uart.port)}")
    bench.machine.run_until_good("[ -e /tmp/held ]")
    bench.uart.forget()
    done = bench.machine.run_program(second)
    yield Row(bench.uart.driver, "TIOCEXCL of another, root", "3, in use", _refused(done.status, done.output))
    yield Row(bench.uart.driver, "DTR and RTS meanwhile", "0 pulses", counted(bench.uart.pulses()))
    holder.stop()
    holder.wait()


def _refused(status: int, output: str) -> str:
    return f"{status}, {'in use' if 'in use by another program' in output else output.strip()}"


def read_by_another(bench: Bench) -> Iterator[Row]:
    """A program that had the port open before reads octets: all of these are reported as missing."""
    adapters: list[Uart | UsbAdapter] = [bench.uart, bench.chip("FT232B")]
    thieves = [bench.machine.start(f"exec cat {adapter.port} >/tmp/{at}") for at, adapter in enumerate(adapters)]
    bench.machine.sleep(0.5)
    with Capture(bench.machine, *adapters, options="--speed 9600") as capture:
        for adapter in adapters:
            adapter.play(*SHORT)
        capture.rest(length(*SHORT), quiet=4)
    for thief in thieves:
        thief.stop()
        thief.wait()
    findings = bench.machine.run_program("vtctap check /mnt/trace.pcapng").output
    for link, adapter in enumerate(adapters):
        taken = int(bench.machine.run(f"stat -c %s /tmp/{link}").output)
        events = [text.split("octets=")[1] for text in capture.events(link) if text.startswith("missed")]
        played = len(session(*SHORT))
        yield Row(
            adapter.driver, "read here, and by another", str(played), str(len(capture.octets(link)) + taken)
        )  # fmt: skip
        yield Row(adapter.driver, "octets said to be missing", str(taken), str(sum(map(int, events))))
    yield Row("-", "check says so", "missed", "missed" if "missed" in findings else findings[:60])
