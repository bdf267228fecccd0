"""Filters: a subset of Wireshark's display filters, applied to the fields of a dissection.

:func:`compile_filter` turns ``vtc.message == "ReadCommand" && vtc.gap > 0.2`` into a function of the dictionary that
:meth:`~vtctap.dissector.dissect.Dissection.as_json` returns; the text is never evaluated as code. A filter means the
same as in Wireshark 4 (wireshark-filter(4)):

- A field alone tests whether it is present. A comparison with an absent field is false.
- ``==`` is true if any value is equal, ``!=`` if none is, ``===`` if all are, ``!==`` (or ``~=``) if any is not; ``<``
  ``<=`` ``>`` ``>=`` test for any value. ``all`` or ``any`` before the field tests for all or any instead.
- ``contains`` searches for text; ``matches`` (or ``~``) for a regular expression, ignoring case unless it begins with
  ``(?-i)``; ``in {1, 3..5}`` and ``not in`` test for members. The right side of the other operators may also be a
  field.
- ``not``, ``and``, ``xor`` and ``or`` bind in this order. Every operator has Wireshark's words and signs.
- ``len()``, ``count()``, ``lower()`` and ``upper()`` take a field.

Slices, layers, arithmetic, bit masks and character constants are not supported, and regular expressions are Python's. A
comparison that could never be true (with a word that an enumeration lacks, or a negative number) is an error. Times are
in seconds; ``vtc.octets`` is text, as in JSON.
"""

import difflib
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from vtctap.dissector.catalogue import (
    BOOLEAN,
    ENUMERATION,
    FIELDS,
    NUMBER,
    RECORD,
    SECONDS,
    STRING,
    UNSIGNED,
    Field,
    FieldType,
)
from vtctap.dissector.fields import Value, field_values
from vtctap.errors import Error
from vtctap.pcap.record import SECOND_NS

Fields = Mapping[str, Value]
Predicate = Callable[[Fields], bool]
_Values = Callable[[Fields], list[Any]]
_Quantifier = Callable[[Iterable[object]], bool]


class FilterError(Error, ValueError):
    """The filter is invalid; the message shows where and what is allowed. ``position`` counts from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class _Token(NamedTuple):
    """One token: a string, sign, word or end. An operator is a sign, and all of its forms have one ``text``."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Operand:
    """A source of values: a field, or a function of one. ``type``, ``words`` and ``bits`` are as in the catalogue."""

    name: str
    type: FieldType
    values: _Values
    words: tuple[str, ...] = ()
    bits: int = 32


_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>r?"(?:[^"\\]|\\.)*")|(?P<sign>===|!==|==|!=|~=|<=|>=|&&|\|\||\^\^|\.\.|[<>!~(){},])"""
    r"""|(?P<word>[A-Za-z0-9_+-](?:[A-Za-z0-9_:+-]|\.(?!\.))*)|(?P<end>\Z)|(?P<other>.))""",
    re.DOTALL,
)
_SIGNS: Final = {
    "or": "||", "xor": "^^", "and": "&&", "not": "!", "eq": "==", "any_eq": "==", "ne": "!=", "all_ne": "!=",
    "all_eq": "===", "any_ne": "!==", "~=": "!==", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "~": "matches",
    "matches": "matches", "contains": "contains", "in": "in", "any": "any", "all": "all",
}  # fmt: skip
"""The operators' other forms, and the operators that are words."""
_LOGIC: Final[tuple[tuple[str, _Quantifier], ...]] = (
    ("||", any),
    ("^^", lambda results: sum(map(bool, results)) % 2 == 1),
    ("&&", all),
)
"""The operators between tests, the loosest first."""
_COMPARISONS: Final[dict[str, tuple[Callable[[Any, Any], bool], _Quantifier]]] = {
    "==": (operator.eq, any),
    "!=": (operator.ne, all),
    "===": (operator.eq, all),
    "!==": (operator.ne, any),
    "<": (operator.lt, any),
    "<=": (operator.le, any),
    ">": (operator.gt, any),
    ">=": (operator.ge, any),
    "contains": (operator.contains, any),
    "matches": (lambda value, pattern: pattern.search(value) is not None, any),
    "in": (lambda value, ranges: any(low <= value <= high for low, high in ranges), any),
}
"""How each operator compares two values, and how many pairs of values must satisfy it."""
_QUANTIFIERS: Final[dict[str, _Quantifier]] = {"any": any, "all": all}

_FIELDS: Final = FIELDS | {
    "frame.number": Field("frame.number", RECORD, "Number of the record"),
    "frame.time_epoch": Field("frame.time_epoch", SECONDS, "Seconds since 1970"),
    "frame.time_relative": Field("frame.time_relative", SECONDS, "Seconds since the trace's first record"),
    "vtc.octets": Field("vtc.octets", STRING, "The record's octets, hexadecimal"),
}
_TEXT: Final = (STRING, ENUMERATION)
_ALIKE: Final = {ENUMERATION: STRING, RECORD: UNSIGNED}
"""Types that compare as another type."""
_FUNCTIONS: Final[dict[str, tuple[Iterable[FieldType], FieldType, Callable[[list[Any]], list[Any]]]]] = {
    "len": (_TEXT, UNSIGNED, lambda values: [len(value) for value in values]),
    "count": (FieldType, UNSIGNED, lambda values: [len(values)] if values else []),
    "lower": (_TEXT, STRING, lambda values: [value.lower() for value in values]),
    "upper": (_TEXT, STRING, lambda values: [value.upper() for value in values]),
}
"""The types that a function accepts, the type of its result, and how it computes its values."""

_MAX_BRACKETS: Final = 50
_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES: Final = dict(zip("'\"\\abfnrtv", "'\"\\\a\b\f\n\r\t\v", strict=True))


def compile_filter(text: str) -> Predicate:
    """Compiles a filter into a function of a record's fields. Raises FilterError."""
    return _Parser(text).filter()


class _Parser:
    """Recursive-descent parser; each method consumes what it is named for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [self._made(found) for found in _TOKEN.finditer(text)]
        self._next = 0
        brackets = [token.at for token in self._tokens if token[:2] == ("sign", "(")]
        if len(brackets) > _MAX_BRACKETS:  # each can cost some frames of Python's stack, here and in the test
            raise self._error(brackets[-1], f"is more than {_MAX_BRACKETS} brackets: use fewer")

    def _made(self, found: re.Match[str]) -> _Token:
        kind = found.lastgroup or ""
        text, at = found[kind], found.start(kind)
        if kind == "other":
            raise self._error(at, "is not understood" + (": the closing quote is missing" if text == '"' else ""))
        if kind != "string" and text in _SIGNS:
            return _Token("sign", _SIGNS[text], at)
        return _Token(kind, text, at)

    def _error(self, at: int, reason: str) -> FilterError:
        rest = self._text[at:].strip()
        where = f"{rest[:24]!r} at position {at + 1}" if rest else "the end"
        return FilterError(f"filter: {where} {reason}", at)

    def _take(self, *signs: str) -> bool:
        taken = [token.text for token in self._tokens[self._next : self._next + len(signs)] if token.kind == "sign"]
        if taken != list(signs):
            return False
        self._next += len(signs)
        return True

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._error(self._token.at, f"stands where {sign!r} is expected")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def filter(self) -> Predicate:
        predicate = self._tests(0)
        if self._token.kind != "end":
            raise self._error(self._token.at, "stands where 'and', 'or' or the end is expected")
        return predicate

    def _tests(self, level: int) -> Predicate:
        """Parses tests joined by operators of this level and of those that bind tighter."""
        if level == len(_LOGIC):
            return self._test()
        sign, combine = _LOGIC[level]
        tests = [self._tests(level + 1)]
        while self._take(sign):
            tests.append(self._tests(level + 1))
        return tests[0] if len(tests) == 1 else lambda fields: combine(test(fields) for test in tests)

    def _test(self) -> Predicate:
        negative = False
        while self._take("!"):
            negative = not negative
        if self._take("("):
            test = self._tests(0)
            self._expect(")")
        else:
            test = self._comparison()
        return _opposite(test) if negative else test

    def _comparison(self) -> Predicate:
        asked = next((quantifier for word, quantifier in _QUANTIFIERS.items() if self._take(word)), None)
        left = self._operand()
        at, kind, sign = self._token.at, self._token.kind, self._token.text
        if self._take("!", "in"):
            return _opposite(self._compare(left, "in", asked))
        if kind != "sign" or sign not in _COMPARISONS:
            if asked or left.name not in _FIELDS:
                raise self._error(at, f"stands where {left.name} is to be compared, as by '=='")
            return lambda fields: left.name in fields
        if sign in ("contains", "matches") and left.type not in _TEXT:
            raise self._error(at, f"is for text, and {left.name} is none")
        self._next += 1
        return self._compare(left, sign, asked)

    def _compare(self, left: _Operand, sign: str, asked: _Quantifier | None) -> Predicate:
        compare, usual = _COMPARISONS[sign]
        values, right, quantifier = left.values, self._right(left, sign), asked or usual

        def test(fields: Fields) -> bool:
            ours, others = values(fields), right(fields)
            return bool(ours and others) and quantifier(compare(each, other) for each in ours for other in others)

        return test

    def _operand(self) -> _Operand:
        token = self._token
        field = _FIELDS.get(token.text) if token.kind == "word" else None
        self._next += token.kind == "word"
        if token.kind == "word" and self._take("("):
            return self._function(token)
        if field is None:
            raise self._error(token.at, f"is no field; {_hint(token.text)}")
        name = field.name
        values: _Values = lambda fields: field_values(fields, name)  # noqa: E731
        if field.type is SECONDS:
            return _Operand(name, SECONDS, lambda fields: list(map(_nanoseconds, values(fields))))
        return _Operand(name, field.type, values, field.words, field.bits)

    def _function(self, function: _Token) -> _Operand:
        if function.text not in _FUNCTIONS:
            raise self._error(function.at, f"is no function; there are {', '.join(_FUNCTIONS)}")
        takes, gives, apply = _FUNCTIONS[function.text]
        at = self._token.at
        inner = self._operand()
        if inner.type not in takes:
            raise self._error(at, f"is no text, and {function.text}() is for text")
        self._expect(")")
        return _Operand(f"{function.text}({inner.name})", gives, lambda fields: apply(inner.values(fields)))

    def _right(self, left: _Operand, sign: str) -> _Values:
        """Parses the right side of a comparison with ``left``: another field's values, or constants."""
        token = self._token
        if sign == "in":
            wanted: Any = self._ranges(left)
        elif sign == "matches":
            wanted = self._pattern()
        elif token.kind == "word" and (token.text.startswith(("vtc.", "frame.")) or token.text in _FUNCTIONS):
            right = self._operand()
            if _ALIKE.get(right.type, right.type) != _ALIKE.get(left.type, left.type):
                types = f"{left.type} and {right.type}"
                raise self._error(token.at, f"cannot be compared with {left.name}: {types}")
            return right.values
        elif sign == "contains":
            wanted = self._text_value()
            if not wanted:
                raise self._error(token.at, "is nothing that could be looked for")
        else:
            wanted = self._value(left)
        return lambda fields: [wanted]

    def _ranges(self, left: _Operand) -> list[tuple[Any, Any]]:
        self._expect("{")
        ranges = []
        while True:
            low = self._value(left)
            ranges.append((low, self._value(left) if self._take("..") else low))
            if self._take("}"):
                return ranges
            self._expect(",")

    def _pattern(self) -> re.Pattern[str]:
        token = self._token
        if token.kind != "string":
            raise self._error(token.at, "stands where a regular expression in double quotes is expected")
        text = self._text_value()
        flags = 0 if text.startswith("(?-i)") else re.IGNORECASE
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return re.compile(text.removeprefix("(?-i)"), flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise self._error(token.at, f"is no regular expression: {error}") from None

    def _value(self, left: _Operand) -> Any:
        token, text = self._token, self._text_value()
        if left.type in _TEXT:
            if left.words and text not in left.words:
                raise self._error(token.at, f"is no value of {left.name}; it has {', '.join(left.words)}")
            return text
        convert, what = _CONVERTERS[left.type]
        try:
            value = convert(token.text)  # with its quotes, if it has any: what is in quotes is text
        except ValueError:
            raise self._error(token.at, f"is {what}, as {left.name} is") from None
        if left.type in (UNSIGNED, RECORD) and value >= 1 << left.bits:
            raise self._error(token.at, f"is too large: {left.name} is at most {(1 << left.bits) - 1}")
        return value

    def _text_value(self) -> str:
        token = self._token
        if token.kind not in ("string", "word"):
            raise self._error(token.at, "stands where a value is expected")
        self._next += 1
        if token.kind == "word":
            return token.text
        if token.text[0] == "r":
            return token.text[2:-1]

        def character(found: re.Match[str]) -> str:
            hexadecimal, octal, other = found.groups()
            if other is None:
                return chr(int(hexadecimal, 16) if hexadecimal else int(octal, 8))
            if other not in _ESCAPES:
                raise self._error(token.at + 1 + found.start(), r"is no escape; \\ stands for a backslash")
            return _ESCAPES[other]

        return _ESCAPE.sub(character, token.text[1:-1])


def _hint(name: str) -> str:
    """Suggests a field for an unknown name."""
    if name.startswith("vtc.expert"):
        return "Wireshark alone has it: 'tshark -Y' filters by it, and 'vtctap check' names the same findings"
    near = difflib.get_close_matches(name, _FIELDS, 3, 0.5)
    return f"did you mean {' or '.join(near)}?" if near else "'vtctap help fields' lists them"


def _opposite(test: Predicate) -> Predicate:
    return lambda fields: not test(fields)


def _number(text: str) -> int:
    """Parses a number in decimal, hexadecimal (0x), octal (0) or binary (0b) notation. Raises ValueError."""
    if not (text.isalnum() and text.isascii()):
        raise ValueError(text)
    return int(text, 8 if text.isdecimal() and text[0] == "0" else 0)


def _boolean(text: str) -> bool:
    known = {"true": True, "false": False}.get(text.lower())
    return bool(_number(text)) if known is None else known


_SECONDS: Final = re.compile(r"([+-]?)(\d+)(?:\.(\d{1,9}))?", re.ASCII)


def _nanoseconds(time: float | str) -> int:
    """Converts seconds to whole ns: a float cannot hold all digits of today's time. Raises ValueError."""
    if not isinstance(time, str):
        return round(time * SECOND_NS)
    found = _SECONDS.fullmatch(time)
    if not found:
        raise ValueError(time)
    sign, seconds, fraction = found.groups("")
    return int(f"{sign}{seconds}{fraction:0<9}")


def _decimal(text: str) -> float:
    """Parses a number with or without a decimal fraction. Raises ValueError."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return float(text)


_DECIMAL: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_CONVERTERS: Final[dict[FieldType, tuple[Callable[[str], float], str]]] = {
    UNSIGNED: (_number, "no number"),
    NUMBER: (_decimal, "no number"),
    RECORD: (_number, "no number"),
    BOOLEAN: (_boolean, "neither true nor false"),
    SECONDS: (_nanoseconds, "no number of seconds"),
}
"""How to parse a value of each type, and the error for a value that cannot be parsed."""
