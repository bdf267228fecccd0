"""A live alarm on bad check characters: python alarm.py PORT [SPEED]

Rings once for each message whose check character is wrong, until it is interrupted.
"""

import sys
from typing import Literal

import vtctap
from vtctap.dissector.dissect import Frame, dissections

speed: int | Literal["follow"] = int(sys.argv[2]) if len(sys.argv) > 2 else "follow"
with vtctap.tap(sys.argv[1], speed=speed) as records:
    try:
        for frame in dissections(records):
            if isinstance(frame, Frame) and frame.message.bcc_status == "bad":
                octets = frame.record.octets.hex(" ")
                print(f"\a{frame.name} with a bad check character: {octets}", flush=True)
    except KeyboardInterrupt:
        pass
