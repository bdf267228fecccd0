"""The report: one self-contained HTML page of a trace, for people.

:mod:`~vtctap.dissector.analysis.report.collect` gathers what the page shows, in one pass and bounded;
:mod:`~vtctap.dissector.analysis.report.page` puts it into the page, which needs no network.
"""
