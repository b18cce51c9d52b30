"""
The words that products are found by: a table of their own, so that no sale has to index them anew.

PostgreSQL keeps them as a `tsvector` with a GIN index, SQLite in an FTS5 table. In both the words
are those that the application has cut, and what is asked for is put together from such words
alone: no text of a user ever reaches a parser or a query language.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Select,
    String,
    Table,
    Uuid,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    table,
    update,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from application.catalog.search import (
    BEGINS_IN_DESCRIPTION,
    BEGINS_IN_NAME,
    IN_DESCRIPTION,
    IN_NAME,
    Searchable,
)
from domain.catalog.product import NewProduct, Product
from infrastructure.sql.full_text import VIRTUAL, has, matches_fts5
from infrastructure.sql.schema import metadata

# The id is a word like the others, by which its row is found without reading all of them. The
# tokenizer takes everything but ASCII punctuation and space for a letter, as it should here.
FTS5: Final = (
    "CREATE VIRTUAL TABLE product_search"
    " USING fts5(product_id, name, description, tokenize = 'ascii', detail = 'column')"
)
product_search = Table(
    "product_search",
    metadata,
    Column("product_id", Uuid, primary_key=True),
    Column("words", TSVECTOR, nullable=False),
    # The list of what is to be indexed later is read by every search, and so it is a short one; the
    # index takes in a hundred products together at half the cost of one after the other.
    Index(
        None,
        "words",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": 64},  # KiB, the least
    ).ddl_if(dialect="postgresql"),
    info={VIRTUAL: FTS5},
)
_fts = table(
    "product_search",
    column("rowid"),
    column("product_id", Uuid),
    column("name", String),
    column("description", String),
)
_NAME_WEIGHT: Final = "A"
_DESCRIPTION_WEIGHT: Final = "D"


def searchable(product: Product | NewProduct) -> Searchable:
    return Searchable.of(name=product.name, sku=product.sku, description=product.description)


def vector(words: Searchable) -> str:
    """The words as the text of a `tsvector`."""
    both = {*words.name}.intersection(words.description)
    # What is said of one word at several places PostgreSQL puts together; of one place it keeps A.
    return (
        _at(f"1{_NAME_WEIGHT}", words.name)
        + _at(f"1{_DESCRIPTION_WEIGHT}", words.description)
        + _at(f"2{_DESCRIPTION_WEIGHT}", both)
    )


def _at(place: str, words: Iterable[str]) -> str:
    return "".join([f"'{word}':{place} " for word in words])


def matches(words: Sequence[str], dialect: str) -> Select[Any]:
    """The `product_id` of all that have all these words, each maybe only as a beginning."""
    if dialect == "sqlite":
        wanted = " AND ".join(f'"{word}" *' for word in words)
        return select(_fts.c.product_id).where(_matches_fts5(f"{{name description}} : ({wanted})"))
    wanted = " & ".join(f"'{word}':*" for word in words)
    return select(product_search.c.product_id).where(_has(wanted))


def score(words: Sequence[str], dialect: str) -> ColumnElement[int]:
    """How well a row of the index fits, which is known to have all the words."""
    total: ColumnElement[int] = literal(0)
    for word in words:
        total += _score_in_fts5(word) if dialect == "sqlite" else _score_in_vector(word)
    return total


def _score_in_vector(word: str) -> ColumnElement[int]:
    return case(
        (_has(f"'{word}':{_NAME_WEIGHT}"), IN_NAME),
        (_has(f"'{word}':*{_NAME_WEIGHT}"), BEGINS_IN_NAME),
        (_has(f"'{word}':{_DESCRIPTION_WEIGHT}"), IN_DESCRIPTION),
        else_=BEGINS_IN_DESCRIPTION,
    )


def _has(query: str) -> ColumnElement[bool]:
    return has(product_search.c.words, query)


def _matches_fts5(query: str) -> ColumnElement[bool]:
    return matches_fts5("product_search", query)


def _score_in_fts5(word: str) -> ColumnElement[int]:
    name, description = (literal(" ") + text + " " for text in (_fts.c.name, _fts.c.description))
    return case(
        (func.instr(name, f" {word} ") > 0, IN_NAME),
        (func.instr(name, f" {word}") > 0, BEGINS_IN_NAME),
        (func.instr(description, f" {word} ") > 0, IN_DESCRIPTION),
        else_=BEGINS_IN_DESCRIPTION,
    )


def index(connection: Connection, products: Sequence[Product | NewProduct]) -> None:
    """Make products findable that were just stored."""
    words = {product.id: searchable(product) for product in products}
    if connection.dialect.name == "sqlite":
        rows = [
            {"product_id": id, "name": " ".join(one.name), "description": " ".join(one.description)}
            for id, one in words.items()
        ]
        connection.execute(insert(_fts), rows)
    else:
        connection.execute(
            insert(product_search),
            [{"product_id": id, "words": vector(one)} for id, one in words.items()],
        )


def reindex(connection: Connection, products: Sequence[Product]) -> None:
    """Make products findable by what they are now called."""
    if connection.dialect.name == "sqlite":
        for product in products:
            here = _matches_fts5(f"product_id : {product.id.hex}")
            row = select(_fts.c.rowid).where(here).scalar_subquery()
            connection.execute(delete(_fts).where(_fts.c.rowid == row))
        index(connection, products)
    else:
        connection.execute(
            update(product_search).where(product_search.c.product_id == bindparam("id")),
            [{"id": product.id, "words": vector(searchable(product))} for product in products],
        )
