"""How a trace describes the taps that it comes from: pcapng's interface blocks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.sniffer.capture import Link
    from vtctap.sniffer.port import Settings


def interfaces(
    links: "list[Link]", settings: "Settings", profile: str, *, latency_ns: int | None = None
) -> "list[Interface]":
    """How the trace describes its taps. ``profile`` is the name of the capture's, so that each of several ring files
    states it; ``latency_ns`` is what the user states of their adapters."""
    from vtctap.pcap.capture_file import Interface
    from vtctap.sniffer.adapter import find_adapter

    described = []
    for link in links:
        for wire in link.wires:
            what = "both directions" if wire.sender == 0 else f"the {wire.sender.name.lower()}'s octets"
            hardware = str(find_adapter(wire.port).stated(latency_ns))
            name = f"{link.name}:{wire.port}" if link.name else wire.port
            described.append(
                Interface(147, name, f"{what}, {settings.line}, profile={profile}", hardware, settings.speed)
            )
    return described
