"""Prices or returns of several instruments on common dates, read from CSV, Parquet or Feather and checked.

Nothing is dropped or mended silently: what cannot be used raises `DataFault` with the series and the date, and what a
rule of this package left out is counted in `Panel.notes`, a stable code first.
"""

from models.panel.panel import Panel
from models.panel.read import read_panel
from models.panel.returns import returns_of
from models.panel.table import read_records, read_table

__all__ = ["Panel", "read_panel", "read_records", "read_table", "returns_of"]
