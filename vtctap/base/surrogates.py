"""Text with surrogates, which stand for the octets of a file's name that are not UTF-8 (:pep:`383`)."""

__all__ = ["encodable"]


def encodable(text: str) -> str:
    """Returns a text that tables can hold: its surrogates are escaped, as in messages."""
    return text.encode("utf-8", "backslashreplace").decode()
