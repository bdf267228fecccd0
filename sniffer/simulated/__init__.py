"""The simulated link: a client and a meter on a virtual wire, for ``vtctap demo`` and for tests.

The devices are state machines without I/O or clock (:mod:`client`, :mod:`meter`). :mod:`wire` connects them in virtual
time, :mod:`faults` disturbs the line, and :mod:`session` has the script that they play. :mod:`ptys` plays it in real
time on pseudo-terminals. The simulated link and the decoder share no code.
"""
