"""Test equipment: lines that wait or garble, a model of a receiver, a meter on a pseudo-terminal, and virtual time."""

from typing import Final

PATIENCE: Final = 120
"""Longest wait for something that takes a fraction of a second, in seconds. No machine is so busy that it needs
longer."""
