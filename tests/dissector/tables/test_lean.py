"""pyarrow starts without pandas, and works with it afterwards."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from equipment import PATIENCE

pytest.importorskip("pyarrow")

_LATER = """
import sys
from vtctap.dissector.tables.lean import start_lean
start_lean()
import pyarrow
pyarrow.array([1, 2])
assert "pandas" not in sys.modules
if {pandas}:
    frame = pyarrow.table([pyarrow.array([1, None])], names=["a"]).to_pandas()
    import pandas
    assert frame["a"][0] == 1 and isinstance(frame, pandas.DataFrame)
    assert pyarrow.Table.from_pandas(frame)["a"].to_pylist() == [1, None]
    assert pyarrow.array(pandas.Series([1.5, float("nan")])).to_pylist() == [1.5, None]
"""


def test_pandas_is_imported_where_it_is_needed_and_not_before() -> None:
    code = _LATER.format(pandas=find_spec("pandas") is not None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert not done.returncode, done.stderr
