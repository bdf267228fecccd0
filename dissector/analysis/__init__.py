"""What is concluded from many records: exchanges and sessions, findings, statistics, reports.

It stands on :mod:`vtctap.dissector.dissect`, which says what each record means, and reads a trace once, in order.
"""
