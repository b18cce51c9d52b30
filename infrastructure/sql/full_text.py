"""
Words to search in, as each database keeps them: PostgreSQL as a `tsvector` with a GIN index, SQLite
in an FTS5 table.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, String, bindparam, cast, literal, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

VIRTUAL: Final = "virtual"  # in a table's `info`: the statement by which SQLite creates it


@compiles(CreateTable, "sqlite")
def _create(element: CreateTable, compiler: Any, **options: Any) -> str:
    virtual = element.element.info.get(VIRTUAL)
    return str(virtual or compiler.visit_create_table(element, **options))


def has(vector: ColumnElement[Any], query: str) -> ColumnElement[bool]:
    """Whether a `tsvector` fits the text of a `tsquery`."""
    # Written into the statement, because a plan that fits any word fits neither rare nor common.
    wanted = bindparam(None, query, String, literal_execute=True)
    return vector.op("@@", is_comparison=True)(cast(wanted, TSQUERY))


def matches_fts5(table: str, query: str) -> ColumnElement[bool]:
    return literal_column(table).op("MATCH", is_comparison=True)(literal(query))
