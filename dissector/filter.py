"""Filters: a subset of Wireshark's display filters, over the fields of a dissection.

``vtc.message == "ReadCommand" && vtc.gap > 0.2`` is compiled into a function of the dictionary that
:meth:`~vtctap.dissector.dissect.Dissection.as_json` gives; it is never evaluated as code. As in Wireshark 4 a field
alone asks whether it is there, ``==`` whether any of its values is equal, ``!=`` whether it is there and none is,
``===`` and ``~=`` whether all are, and whether any is not. ``contains`` looks for text, ``matches`` (or ``~``) for a
regular expression without regard to case, ``in {1, 3..5}`` for a member. ``not``, ``and``, ``xor`` and ``or`` bind in
this order, loosest last; each has its C sign. Words need no quotes where they are plain. Wireshark's functions,
slices and arithmetic are not here.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from vtctap.dissector.catalogue import FIELDS, Field

Predicate = Callable[[Mapping[str, Any]], bool]
_Test = Callable[[list[Any]], bool]


class FilterError(ValueError):
    """A filter is not understood; the message shows where and says what would be."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKENS: Final = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<sign>===|!==|==|!=|~=|<=|>=|&&|\|\||\^\^|\.\.|[<>!~(){},])"""
    r"""|(?P<word>[A-Za-z0-9_+-](?:[A-Za-z0-9_:+-]|\.(?!\.))*)|(?P<end>\Z))"""
)
_COMPARISONS: Final[dict[str, str]] = {
    "==": "==", "eq": "==", "any_eq": "==", "!=": "!=", "ne": "!=", "all_ne": "!=", "===": "===", "all_eq": "===",
    "!==": "~=", "~=": "~=", "any_ne": "~=", "<": "<", "lt": "<", "<=": "<=", "le": "<=", ">": ">", "gt": ">",
    ">=": ">=", "ge": ">=", "contains": "contains", "matches": "matches", "~": "matches", "in": "in",
}  # fmt: skip
_OR, _XOR, _AND, _NOT = ("or", "||"), ("xor", "^^"), ("and", "&&"), ("not", "!")

_FRAME: Final = {
    "frame.number": Field("frame.number", "u", "Number of the record"),
    "frame.time_epoch": Field("frame.time_epoch", "t", "Seconds since 1970"),
}
_NAMES: Final = FIELDS | _FRAME
_TEXT: Final = "se"
_ESCAPES: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|[0-7]{3}|.)")
_NAMED_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def compile_filter(text: str) -> Predicate:
    """The filter as a function of a record's fields. Raises FilterError."""
    return _Parser(text).filter()


class _Parser:
    """Recursive descent; each method takes what it is named for and leaves the rest."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._tokenise()
        self._next = 0

    def _tokenise(self) -> list[_Token]:
        tokens = []
        at = 0
        while True:
            found = _TOKENS.match(self._text, at)
            if not found or not found.lastgroup:
                raise self._error(at, "is not understood")
            tokens.append(_Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            if found.lastgroup == "end":
                return tokens
            at = found.end()

    def _error(self, at: int, reason: str) -> FilterError:
        rest = self._text[at:].strip()
        where = f"{rest[:24]!r} at position {at + 1}" if rest else "the end"
        return FilterError(f"filter: {where} {reason}")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> bool:
        token = self._token
        if token.kind != "string" and token.text in texts:
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error(self._token.at, f"stands where {text!r} is expected")

    def filter(self) -> Predicate:
        predicate = self._or()
        if self._token.kind != "end":
            raise self._error(self._token.at, "stands where 'and', 'or' or the end is expected")
        return predicate

    def _or(self) -> Predicate:
        left = self._xor()
        while self._take(*_OR):
            left = _either(left, self._xor())
        return left

    def _xor(self) -> Predicate:
        left = self._and()
        while self._take(*_XOR):
            left = _one_of(left, self._and())
        return left

    def _and(self) -> Predicate:
        left = self._not()
        while self._take(*_AND):
            left = _both(left, self._not())
        return left

    def _not(self) -> Predicate:
        if self._take(*_NOT):
            inner = self._not()
            return lambda fields: not inner(fields)
        if self._take("("):
            inner = self._or()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        field = self._field()
        name = field.name
        sign = _COMPARISONS.get(self._token.text) if self._token.kind != "string" else None
        if sign is None:
            return lambda fields: name in fields
        at = self._token.at
        self._next += 1
        test = self._members(field) if sign == "in" else self._test(sign, field, at)

        def compare(fields: Mapping[str, Any]) -> bool:
            value = fields.get(name)
            if value is None:
                return False
            values = value if isinstance(value, list) else [value]
            return test([float(each) for each in values] if name in _FRAME else values)

        return compare

    def _field(self) -> Field:
        token = self._token
        field = _NAMES.get(token.text) if token.kind == "word" else None
        if field is None:
            near = difflib.get_close_matches(token.text, _NAMES, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "docs/fields.md lists them"
            raise self._error(token.at, f"is no field; {hint}")
        self._next += 1
        return field

    def _test(self, sign: str, field: Field, at: int) -> _Test:
        if sign in ("contains", "matches"):
            if field.type not in _TEXT:
                raise self._error(at, f"is for text, and {field.name} is none")
            where = self._token.at
            wanted = self._literal()
            if sign == "contains":
                return lambda values: any(wanted in value for value in values)
            try:
                pattern = re.compile(wanted, re.IGNORECASE)
            except re.error as error:
                raise self._error(where, f"is no regular expression: {error}") from None
            return lambda values: any(pattern.search(value) for value in values)
        wanted = self._value(field)
        return _TESTS[sign](wanted)

    def _members(self, field: Field) -> _Test:
        self._expect("{")
        ranges = []
        while True:
            low = self._value(field)
            ranges.append((low, self._value(field) if self._take("..") else low))
            if self._take("}"):
                return lambda values: any(low <= value <= high for value in values for low, high in ranges)
            self._expect(",")

    def _literal(self) -> str:
        token = self._token
        if token.kind not in ("string", "word"):
            raise self._error(token.at, "stands where a value is expected")
        self._next += 1
        return _ESCAPES.sub(_unescape, token.text[1:-1]) if token.kind == "string" else token.text

    def _value(self, field: Field) -> Any:
        at = self._token.at
        text = self._literal()
        if field.type in _TEXT:
            if field.words and text not in field.words:
                raise self._error(at, f"is no value of {field.name}; it has {', '.join(field.words)}")
            return text
        if field.type == "b":
            if text.lower() in ("true", "false", "1", "0"):
                return text.lower() in ("true", "1")
            raise self._error(at, f"is neither true nor false, as {field.name} is")
        try:
            return float(text) if field.type == "t" else int(text, 0)
        except ValueError:
            raise self._error(at, f"is no number, as {field.name} is") from None


def _unescape(found: re.Match[str]) -> str:
    escape = found[1]
    if len(escape) == 3:
        return chr(int(escape[1:], 16) if escape[0] == "x" else int(escape, 8))
    return _NAMED_ESCAPES.get(escape, escape)


def _either(left: Predicate, right: Predicate) -> Predicate:
    return lambda fields: left(fields) or right(fields)


def _one_of(left: Predicate, right: Predicate) -> Predicate:
    return lambda fields: left(fields) != right(fields)


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda fields: left(fields) and right(fields)


_TESTS: Final[dict[str, Callable[[Any], _Test]]] = {
    "==": lambda wanted: lambda values: any(value == wanted for value in values),
    "!=": lambda wanted: lambda values: all(value != wanted for value in values),
    "===": lambda wanted: lambda values: all(value == wanted for value in values),
    "~=": lambda wanted: lambda values: any(value != wanted for value in values),
    "<": lambda wanted: lambda values: any(value < wanted for value in values),
    "<=": lambda wanted: lambda values: any(value <= wanted for value in values),
    ">": lambda wanted: lambda values: any(value > wanted for value in values),
    ">=": lambda wanted: lambda values: any(value >= wanted for value in values),
}
