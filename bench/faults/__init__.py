"""The fault campaign: see :mod:`faults.__main__`."""
