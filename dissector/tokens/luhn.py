"""The check digit of meter numbers and PANs: Luhn's, ISO/IEC 7812-1 annex B, as IEC 62055-41 uses it."""


def _weighted_sum(digits: str) -> int:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return sum(doubled) + sum(int(digit) for digit in digits[::-2])


def is_luhn(digits: str) -> bool:
    """Whether decimal digits end in their check digit."""
    return _weighted_sum(digits) % 10 == 0


def luhn_digit(digits: str) -> int:
    """Returns the check digit that belongs behind decimal digits."""
    return -_weighted_sum(f"{digits}0") % 10
