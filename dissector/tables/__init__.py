"""Tables: traces as rows with typed columns, for spreadsheets, data frames and databases.

- :mod:`~vtctap.dissector.tables.model` defines a table; :data:`TABLES` holds all tables, one module each.
- :mod:`~vtctap.dissector.tables.text` writes rows as CSV and JSON Lines, :mod:`~vtctap.dissector.tables.parquet` as
  Parquet.
"""

from typing import Final

from vtctap.dissector.tables.exchanges import EXCHANGES
from vtctap.dissector.tables.findings import FINDINGS
from vtctap.dissector.tables.model import OutputTable
from vtctap.dissector.tables.records import RECORDS
from vtctap.dissector.tables.registers import REGISTERS
from vtctap.dissector.tables.tokens import TOKENS

TABLES: Final[dict[str, OutputTable]] = {
    table.name: table for table in (RECORDS, EXCHANGES, TOKENS, FINDINGS, REGISTERS)
}
"""The tables by name, the default one first."""
