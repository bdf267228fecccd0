"""What a reader had to skip: a damaged part of a file, or records that are missing from it."""

from dataclasses import dataclass

from vtctap.base.nouns import count


@dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a file that could not be read. It stands in the stream of what was read, at its place.

    ``offset`` and ``octets`` say where it is in the file (unpacked, where the file is compressed); ``octets`` is 0
    where records are missing and nothing is damaged. ``reason`` is a phrase. ``file`` is the file's name in messages.
    ``number`` is that of a packet that is no record, which counts as Wireshark's frame; None for all else.
    """

    offset: int
    octets: int
    reason: str
    file: str = ""
    number: int | None = None

    def __str__(self) -> str:
        return f"{self.file} is {self.what}"

    @property
    def what(self) -> str:
        """What is wrong, as a phrase to follow the file's name."""
        if not self.octets:
            return f"incomplete at offset {self.offset}: {self.reason}"
        return f"damaged at offset {self.offset}, {count(self.octets, 'octet')} skipped: {self.reason}"
