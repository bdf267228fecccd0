"""Taps on serial ports: from a port's octets, with their times, to the records of a trace.

:mod:`~vtctap.sniffer.port` opens a port so that the line cannot be disturbed; :mod:`~vtctap.sniffer.reader` waits for
octets; :mod:`~vtctap.sniffer.estimator` says when each began; :mod:`~vtctap.sniffer.speed` follows the line's speed,
by what :mod:`~vtctap.sniffer.negotiation` hears of it and :mod:`~vtctap.sniffer.quality` thinks of what is heard;
:mod:`~vtctap.sniffer.capture` puts them together for one or more links; :mod:`~vtctap.sniffer.simulated` is a link to
try it on. What octets mean is not known here: that is the dissector's.
"""
