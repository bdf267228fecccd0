"""Fixtures of the tests of captures: virtual time."""

from equipment.virtual_time import machine

__all__ = ["machine"]
