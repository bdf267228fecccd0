"""Runs in the guest what the host asks for: a line of JSON each on standard input, and one on standard output for each
command that has ended.

  {"id": 1, "run": COMMAND of a shell, "user": NUMBER}   runs it
  {"id": 1, "tell": TEXT}                                writes to its standard input
  {"id": 1, "signal": NUMBER}                            sends it a signal
  <- {"id": 1, "status": NUMBER, "output": TEXT}         it has ended
"""

import json
import subprocess
import sys
import threading

SERIAL_PORTS = 20
"""The group of serial ports in Debian, dialout."""

running: dict[int, subprocess.Popen[str]] = {}
answering = threading.Lock()


def finish(number: int, process: "subprocess.Popen[str]") -> None:
    assert process.stdout
    output = process.stdout.read()
    answer = {"id": number, "status": process.wait(), "output": output}
    with answering:
        print(json.dumps(answer), flush=True)


def run(number: int, command: str, user: int) -> None:
    process = subprocess.Popen(
        ["/bin/bash", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, user=user, group=user, extra_groups=[SERIAL_PORTS],
    )  # fmt: skip
    running[number] = process
    threading.Thread(target=finish, args=(number, process), daemon=True).start()


print(json.dumps({"id": 0, "status": 0, "output": "ready"}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    number = asked["id"]
    if "run" in asked:
        run(number, asked["run"], asked["user"])
    elif "signal" in asked:
        running[number].send_signal(asked["signal"])
    else:
        stdin = running[number].stdin
        assert stdin
        stdin.write(asked["tell"] + "\n")
        stdin.flush()
