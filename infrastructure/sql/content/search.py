"""The words that posts are found by, kept as those of products are (see catalog/search.py)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Select,
    String,
    Table,
    Uuid,
    bindparam,
    column,
    delete,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from application.catalog.search import words
from domain.content.post import Post
from infrastructure.sql.full_text import VIRTUAL, has, matches_fts5
from infrastructure.sql.schema import metadata

FTS5: Final = (
    "CREATE VIRTUAL TABLE post_search"
    " USING fts5(post_id, words, tokenize = 'ascii', detail = 'column')"
)
post_search = Table(
    "post_search",
    metadata,
    Column("post_id", Uuid, primary_key=True),
    Column("words", TSVECTOR, nullable=False),
    Index(None, "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}).ddl_if(
        dialect="postgresql"
    ),
    info={VIRTUAL: FTS5},
)
_fts = table("post_search", column("rowid"), column("post_id", Uuid), column("words", String))


def matches(wanted: Sequence[str], dialect: str) -> Select[Any]:
    """The `post_id` of all that have all these words, each maybe only as a beginning."""
    if dialect == "sqlite":
        beginnings = " AND ".join(f'"{word}" *' for word in wanted)
        query = matches_fts5("post_search", f"words : ({beginnings})")
        return select(_fts.c.post_id).where(query)
    beginnings = " & ".join(f"'{word}':*" for word in wanted)
    # Written into the statement, because a plan that fits any word fits neither rare nor common.
    written = bindparam(None, beginnings, String, literal_execute=True)
    return select(post_search.c.post_id).where(has(post_search.c.words, written))


def index(connection: Connection, posts: Sequence[Post]) -> None:
    """Make posts findable that are not."""
    is_sqlite = connection.dialect.name == "sqlite"
    rows = []
    for post in posts:
        found = words(post.title, post.content)
        text = " ".join(found if is_sqlite else (f"'{word}'" for word in found))
        rows.append({"post_id": post.id, "words": text})
    connection.execute(insert(_fts if is_sqlite else post_search), rows)


def unindex(connection: Connection, ids: Iterable[UUID]) -> None:
    """Let these posts not be found any more."""
    for id in ids:
        if connection.dialect.name == "sqlite":
            here = matches_fts5("post_search", f"post_id : {id.hex}")
            row = select(_fts.c.rowid).where(here).scalar_subquery()
            connection.execute(delete(_fts).where(_fts.c.rowid == row))
        else:
            connection.execute(delete(post_search).where(post_search.c.post_id == id))
