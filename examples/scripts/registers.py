"""Every register that was read, and its last value: python registers.py TRACE [PROFILE]"""

import sys

import vtctap
from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.profiles.files import DEFAULT, load

profile = load(sys.argv[2] if len(sys.argv) > 2 else DEFAULT)
last: dict[str, str] = {}
with vtctap.open(sys.argv[1]) as trace:
    for exchange in exchanges(trace, profile):
        for response in exchange.responses:
            data, meaning = response.message, response.meaning
            if data is None or meaning is None or data.message not in ("Data", "PartialData", "Telegram"):
                continue
            for number, (register, value, unit) in enumerate(zip(data.register, data.value, data.unit, strict=True)):
                name = meaning.register_name[number] if meaning.register_name else ""
                last[f"{register:10} {name:28}"] = f"{value} {unit}"
for register, value in sorted(last.items()):
    print(register, value.rstrip())
