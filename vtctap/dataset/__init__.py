"""The set: many traces as a folder of Parquet files that any data tool reads (``vtctap export -o DIR.parquet``).

::

    DIR.parquet/records/day=2026-01-01/link=0/ID.parquet    each record, a row
    DIR.parquet/tokens/ID.parquet                           each token that was written, with what became of it
    DIR.parquet/findings/ID.parquet                         what the check finds, with --findings
    DIR.parquet/traces/ID.json                              the trace: its content, and the files above

``ID`` begins the SHA-256 digest of the trace's octets, so the same trace has the same files wherever it lies. It is
in the set once its entry in ``traces`` is, which is written last. Where it is decoded again, its new files are
``ID-b.parquet``, and those after them ``ID.parquet`` again. ``.parts`` holds what is being written.

- :mod:`~vtctap.dataset.entries` reads and writes the entries, and knows a trace by its content.
- :mod:`~vtctap.dataset.writing` writes the files of one trace, :mod:`~vtctap.dataset.adding` adds a trace to the set.
- :mod:`~vtctap.dataset.querying` opens the set in DuckDB; ``questions`` are queries that are ready to use.
"""
