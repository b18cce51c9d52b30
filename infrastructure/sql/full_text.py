"""
Words to search in, as each database keeps them: PostgreSQL as a `tsvector` with a GIN index, SQLite
in an FTS5 table.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, cast, literal, literal_column
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

VIRTUAL: Final = "virtual"  # in a table's `info`: the statement by which SQLite creates it


@compiles(CreateTable, "sqlite")
def _create(element: CreateTable, compiler: Any, **options: Any) -> str:
    virtual = element.element.info.get(VIRTUAL)
    return str(virtual or compiler.visit_create_table(element, **options))


def has(vector: ColumnElement[Any], query: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a `tsvector` fits the text of a `tsquery`."""
    return vector.op("@@", is_comparison=True)(cast(query, TSQUERY))


def matches_fts5(table: str, query: str | ColumnElement[str]) -> ColumnElement[bool]:
    wanted = literal(query) if isinstance(query, str) else query
    return literal_column(table).op("MATCH", is_comparison=True)(wanted)
