"""Every register that was read, and its last value: python registers.py TRACE [PROFILE]"""

import sys

import vtctap

profile = vtctap.load_profile(sys.argv[2]) if len(sys.argv) > 2 else None
last: dict[str, str] = {}
with vtctap.open(sys.argv[1]) as trace:
    for exchange in vtctap.exchanges(trace, profile):
        for response in exchange.responses:
            data, names = response.message, response.meaning.register_name
            if response.name not in ("Data", "PartialData", "Telegram"):
                continue
            for number, (register, value, unit) in enumerate(zip(data.register, data.value, data.unit, strict=True)):
                name = names[number] if names else ""
                last[f"{register:10} {name:28}"] = f"{value} {unit}"
for register, value in sorted(last.items()):
    print(register, value.rstrip())
