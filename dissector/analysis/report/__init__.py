"""The report: a self-contained HTML page about a trace.

:mod:`~vtctap.dissector.analysis.report.collect` gathers the content in one pass with bounded memory;
:mod:`~vtctap.dissector.analysis.report.page` writes it into the page, which needs no network.
"""
