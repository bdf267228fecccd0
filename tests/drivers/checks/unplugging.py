"""Unplugging: the capture continues with an adapter that comes back under another number."""

from collections.abc import Iterator

from capturing import Capture
from wire import SHORT, length, session

from checks.bench import Bench, Row, as_played, compared


def unplugged(bench: Bench) -> Iterator[Row]:
    """An adapter is unplugged in a session, and comes back under another number, since a program holds the old one: the
    next session is captured."""
    chip = bench.chip("FT232B")
    device = f"readlink -f {chip.port}"
    before = bench.machine.run(device).output
    played = bytes(octet.octet for octet in session(*SHORT))
    with Capture(bench.machine, chip, options="--speed 9600") as capture:
        holder = bench.machine.start(f"exec sleep 100 <{chip.port}")
        chip.play(*SHORT)
        bench.machine.sleep(1)
        chip.unplug()
        chip.plug()
        after = bench.machine.run(device).output
        bench.machine.until(lambda: capture.opened() == 2, "the capture to continue")
        chip.play(*SHORT)
        capture.rest(length(*SHORT))
        holder.stop()
        holder.wait()
    names = " ".join(text.split()[0] for text in capture.events())
    back = max((at for at, record in enumerate(capture.records) if record.event.startswith("opened")), default=0)
    heard = b"".join(record.octets for record in capture.records[back:])
    yield Row(chip.driver, "unplugged, and back: events", "opened lost opened closed", names)
    yield Row(chip.driver, "its device's number", "another", "another" if after != before else "the same")
    yield Row(chip.driver, "the next session's octets", as_played(played), compared(heard, played))
    yield Row(chip.driver, "exit status", "0", str(capture.done.status))
