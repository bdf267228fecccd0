"""Speed characters, which an identification offers and an option select chooses (IEC 62056-21 clause 6.3)."""

from typing import Final

MODE_B: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""Speed characters of an identification in mode B, and their speeds in bit/s (clause 6.3.2)."""
MODE_C: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Speed characters of modes C and E, and their speeds in bit/s (clauses 6.3.2 and 6.3.3)."""
