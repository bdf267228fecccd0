"""Test equipment: lines that wait or garble, a model of a receiver, a meter on a pseudo-terminal, and virtual time."""

from typing import Final

PATIENCE: Final = 120
"""Seconds for what takes a fraction of one: so busy is no machine that does not do it by then."""
