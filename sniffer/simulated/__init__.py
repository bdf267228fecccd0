"""The simulated link: a client and a meter on a virtual wire, for ``vtctap demo`` and for tests.

Devices are state machines without I/O or clock (:mod:`client`, :mod:`meter`); :mod:`wire` puts them on a line in
virtual time, :mod:`faults` disturbs it, :mod:`session` has the story that they play, and :mod:`ptys` brings it all to
pseudo-terminals at true pace. They know nothing of the decoder, and the decoder nothing of them.
"""
