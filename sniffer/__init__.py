"""Taps on serial ports: octets are read from ports, timestamped, and framed as the records of a trace.

:mod:`~vtctap.sniffer.opening` opens a port without disturbing the line. :mod:`~vtctap.sniffer.reader` waits for octets.
:mod:`~vtctap.sniffer.estimator` estimates when each octet began. :mod:`~vtctap.sniffer.speed` follows the line's speed,
which :mod:`~vtctap.sniffer.negotiation` takes from the messages and :mod:`~vtctap.sniffer.quality` verifies.
:mod:`~vtctap.sniffer.capture` combines these for one or more links. :mod:`~vtctap.sniffer.simulated` is a link for
demonstrations and tests. The meaning of the octets is left to the dissector.
"""
