"""Analyses whole traces: exchanges and sessions, findings, statistics, reports.

It builds on :mod:`vtctap.dissector.dissect`, which decodes single records, and reads a trace once, in order.
"""
