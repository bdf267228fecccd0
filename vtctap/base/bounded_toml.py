"""TOML from a stranger: profiles and key files, read within limits.

The standard library's parser raises ValueError for a number that is too long and RecursionError for deep nesting, and
its time is not linear in every case. So a document has at most :data:`MAX_OCTETS`.
"""

import re
import tomllib
from typing import Any, Final

from vtctap.errors import Error

MAX_OCTETS: Final = 1 << 20
"""Most characters of a document; the longest shipped profile has 30 000."""
_LONG_NUMBER: Final = re.compile(r"[0-9](?:_?[0-9A-Fa-f]){99}")


class TomlError(Error, ValueError):
    """The text is not TOML, or exceeds a limit. The message says where; the caller adds the file."""


def parse_toml(text: str) -> dict[str, Any]:
    """Parses a document, and skips a byte-order mark at its beginning, which some editors write."""
    if len(text) > MAX_OCTETS:
        raise TomlError(f"is longer than {MAX_OCTETS} characters")
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise TomlError("is nested too deeply to be read") from None
    except tomllib.TOMLDecodeError as error:
        raise TomlError(str(error)) from None
    except ValueError:  # Python's limit for the digits of a number
        found = _LONG_NUMBER.search(text)
        line = f" (at line {text.count(chr(10), 0, found.start()) + 1})" if found else ""
        raise TomlError(f"holds a number that is too long{line}") from None
