"""Where rows come from: designs, responses, chunks, files."""

from .row_source import RowSource

__all__ = ["RowSource"]
