"""How the devices of a dialect write and read messages: octets of seven bits, with their check character."""

from vtctap.sniffer.simulated.dialect import Dialect, DialectRegister
from vtctap.sniffer.simulated.octets import command, data, with_check


def read(dialect: Dialect, register: str, count: int) -> bytes:
    """A read of a register."""
    syntax = dialect.syntax
    digit = "" if syntax.count == "none" else f"{count:X}"
    return request(dialect, syntax.read, f"{register}({digit})" if syntax.brackets else register + digit)


def write(dialect: Dialect, register: str, value: str) -> bytes:
    """A write of a value to a register."""
    return request(dialect, dialect.syntax.write, f"{register}({value})")


def undefined(dialect: Dialect) -> bytes:
    """A command whose letter no standard defines."""
    return request(dialect, "X" + dialect.syntax.read[1:], "0000()")


def request(dialect: Dialect, name: str, data_set: str = "") -> bytes:
    """A client's command."""
    octets = command(name, data_set)
    return with_check(octets, dialect.syntax.check) if dialect.syntax.client_check else octets


def answer(dialect: Dialect, text: str) -> bytes:
    """A meter's answer with data."""
    return with_check(data(text), dialect.syntax.check)


def data_set(dialect: Dialect, register: str, value: str) -> str:
    """A value in an answer, with its register where the dialect has that."""
    return f"{register}({value})" if dialect.syntax.ids else f"({value})"


def asked(dialect: Dialect, body: str) -> tuple[str, int]:
    """What a read's body asks for: the register and the count, 0 where it has none."""
    syntax = dialect.syntax
    if syntax.brackets:
        register, _, rest = body.partition("(")
        digit = rest.rstrip(")")
    else:
        register, digit = body[:-1], body[-1:]
    counts = syntax.count != "none" and digit in tuple("0123456789ABCDEF")
    return register, int(digit, 16) if counts else 0


def whole(dialect: Dialect, register: DialectRegister) -> int:
    """The count with which the dialect's client reads one register as a whole."""
    counts = {"open": int(register.octets == 1), "registers": 1, "octets": register.octets, "none": 0}
    return 0 if register.coding == "digits" and dialect.syntax.count != "registers" else counts[dialect.syntax.count]
