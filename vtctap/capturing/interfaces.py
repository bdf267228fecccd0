"""The descriptions of a capture's taps, which a trace holds as pcapng interface blocks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.sniffer.capture import Link
    from vtctap.sniffer.port import Settings


def interfaces(
    links: "list[Link]", settings: "Settings", profile: str, *, latency_ns: int | None = None
) -> "list[Interface]":
    """Returns the description of each tap.

    ``profile`` is the name of the capture's profile, which every ring file then states. ``latency_ns`` is the
    latency of the adapters as the user states it.
    """
    from vtctap.pcap.capture_file import Interface
    from vtctap.sniffer.adapter import find_adapter

    described = []
    for link in links:
        for wire in link.wires:
            what = "both directions" if wire.sender == 0 else f"the {wire.sender.word}'s octets"
            hardware = str(find_adapter(wire.port).stated(latency_ns))
            name = f"{link.name}:{wire.port}" if link.name else wire.port
            described.append(
                Interface(147, name, f"{what}, {settings.line}, profile={profile}", hardware, settings.speed)
            )
    return described
