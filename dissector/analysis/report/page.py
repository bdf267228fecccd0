"""Writes a report's page: HTML that includes its style, its data and the plotting library (Plotly), and loads nothing
else.

Content of a trace enters the page only as JSON that cannot end a script element, and is shown only as text.
"""

import json
import re
from collections import Counter
from html import escape
from importlib import resources
from typing import Any, Final

from vtctap.base.extras import extra
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.analysis.flows import TokenFlow
from vtctap.dissector.analysis.report.collect import Collected
from vtctap.dissector.fields import epoch
from vtctap.dissector.profiles.model import Profile

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


MAX_REGISTERS: Final = 500
"""Most registers shown per link: those used most."""


def _statistics(collected: Collected) -> dict[str, Any]:
    """Returns the statistics as far as the page shows them; the collection counts the registers left out."""
    figures = collected.statistics.as_json()
    for link in figures["links"]:
        registers = link["registers"]
        used = sorted(registers, key=lambda id: -registers[id]["reads"] - registers[id]["writes"])[:MAX_REGISTERS]
        if len(used) < len(registers):
            collected.left_out["registers"] = collected.left_out.get("registers", 0) + len(registers) - len(used)
            link["registers"] = {id: registers[id] for id in sorted(used)}
    return figures


def _data(collected: Collected, profile: Profile, trace: str, application: str) -> dict[str, Any]:
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
        "tokens": [_token(flow) for flow in collected.tokens],
        "findings": [_finding(found, collected.start_ns) for found in collected.findings],
        "profile": _profile(profile),
        "left_out": collected.left_out,
    }


def _token(flow: TokenFlow) -> dict[str, Any]:
    return {
        "token": flow.token,
        "outcome": flow.outcome,
        "status": flow.status_name,
        "meaning": flow.status_meaning,
        "duration": flow.duration,
        "frame": flow.request.number,
    }


def _finding(found: Finding, start_ns: int) -> dict[str, Any]:
    return {**found.as_json(), "t": None if found.time_ns is None else (found.time_ns - start_ns) / 1e9}


def _profile(profile: Profile) -> dict[str, Any]:
    """Returns what the page says of the profile, with the number of its entries by confidence."""
    entries = [*profile.messages.values(), *(register.provenance for register in profile.registers.values())]
    return {
        "name": profile.name,
        "title": profile.title,
        "source": profile.provenance.source,
        "confidence": profile.provenance.confidence,
        "entries": Counter(entry.confidence for entry in entries),
    }
