"""Writes a report's page: HTML that includes its style, its data and the plotting library (Plotly), and loads nothing
else.

Content of a trace enters the page only as JSON that cannot end a script element, and is shown only as text.
"""

import json
import re
from html import escape
from importlib import resources
from typing import Any, Final

from vtctap.dissector.analysis.report.collect import Collected
from vtctap.dissector.fields import epoch
from vtctap.dissector.profiles.files import Profile
from vtctap.extras import extra

with extra("report", "a report"):
    from plotly.offline import get_plotlyjs


def page(collected: Collected, profile: Profile, *, trace: str, application: str) -> str:
    """Returns the whole page. ``trace`` is the trace's name, ``application`` the program that made the report."""
    template = (resources.files("vtctap.dissector.analysis.report") / "page.html").read_text("utf-8")
    data = _data(collected, profile, trace, application)
    parts = {"TITLE": escape(f"{trace} - vtctap"), "DATA": embedded(data), "PLOTLY": get_plotlyjs()}
    # One pass, since an inserted part may contain another part's mark.
    return re.sub("@(TITLE|DATA|PLOTLY)@", lambda mark: parts[mark[1]], template)


def embedded(data: Any) -> str:
    """Formats JSON that can stand in a script element."""
    return json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


MOST_REGISTERS: Final = 500
"""Most registers shown per link: those used most."""


def _statistics(collected: Collected) -> dict[str, Any]:
    """Returns the statistics as far as the page shows them; the collection counts the registers left out."""
    figures = collected.statistics.as_json()
    for link in figures["links"]:
        registers = link["registers"]
        used = sorted(registers, key=lambda id: -registers[id]["reads"] - registers[id]["writes"])[:MOST_REGISTERS]
        if len(used) < len(registers):
            collected.left_out["registers"] = collected.left_out.get("registers", 0) + len(registers) - len(used)
            link["registers"] = {id: registers[id] for id in sorted(used)}
    return figures


def _data(collected: Collected, profile: Profile, trace: str, application: str) -> dict[str, Any]:
    confidences: dict[str, int] = {}
    entries = [*profile.messages.values(), *(register.provenance for register in profile.registers.values())]
    for entry in entries:
        confidences[entry.confidence] = confidences.get(entry.confidence, 0) + 1
    return {
        "trace": trace,
        "application": application,
        "start": epoch(collected.start_ns),
        "seconds": (collected.end_ns - collected.start_ns) / 1e9,
        "records": collected.records,
        "statistics": _statistics(collected),
        "ladders": [
            {"session": number, "messages": ladder.messages, "steps": ladder.steps}
            for number, ladder in collected.ladders.items()
        ],
        "times": collected.times,
        "gaps": collected.gaps,
        "tokens": [
            {
                "token": flow.token,
                "outcome": flow.outcome,
                "status": flow.status_name,
                "meaning": flow.status_meaning,
                "duration": flow.duration,
                "frame": flow.write.request.number if flow.write.request else None,
            }
            for flow in collected.tokens
        ],
        "findings": [
            {
                "code": found.code,
                "severity": found.severity,
                "frames": list(found.frames),
                "message": found.message,
                "source": found.source,
                "t": (found.time_ns - collected.start_ns) / 1e9 if found.time_ns is not None else None,
            }
            for found in collected.findings
        ],
        "profile": {
            "name": profile.name,
            "title": profile.title,
            "source": profile.provenance.source,
            "confidence": profile.provenance.confidence,
            "entries": confidences,
        },
        "left_out": collected.left_out,
    }
