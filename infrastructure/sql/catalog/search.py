"""
The words that products are found by: a table of their own, so that no sale has to index them anew.

PostgreSQL keeps them as a `tsvector` with a GIN index, SQLite in an FTS5 table. In both the words
are those that the application has cut, and what is asked for is put together from such words
alone: no text of a user ever reaches a parser or a query language.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import add, attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Select,
    String,
    Table,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    type_coerce,
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
from infrastructure.sql.catalog import mapping
from infrastructure.sql.catalog.places import places
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
    column("rowid", BigInteger),
    column("product_id", Uuid),
    column("name", String),
    column("description", String),
)
NOTHING: Final = '""'  # is what FTS5 finds by this
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


def _at(place: str, words: Collection[str]) -> str:
    between = f"':{place} '"
    return f"'{between.join(words)}':{place} " if words else ""


def matches(words: Sequence[str], dialect: str) -> Select[Any]:
    """The `product_id` of all that have all these words, each maybe only as a beginning."""
    if dialect == "sqlite":
        return finds(beginnings(words))
    wanted = _joined(" & ", (_text("'") + word + _text("':*") for word in words))
    return select(product_search.c.product_id).where(_has(wanted))


def beginnings(words: Sequence[str]) -> ColumnElement[str]:
    """What FTS5 is asked for to find all that have all these words."""
    wanted = _joined(" AND ", (_text('"') + word + _text('" *') for word in words))
    return _text("{name description} : (") + wanted + _text(")")


def finds(query: ColumnElement[str]) -> Select[Any]:
    """The `product_id` of all that FTS5 finds, in the order of their places."""
    return select(_fts.c.product_id).where(_matches_fts5(query))


def score(words: Sequence[str], dialect: str) -> ColumnElement[int]:
    """How well a row of the index fits, which is known to have all the words."""
    each = _score_in_fts5 if dialect == "sqlite" else _score_in_vector
    return reduce(add, map(each, words))


def _score_in_vector(word: str) -> ColumnElement[int]:
    def is_there(where: str) -> ColumnElement[bool]:
        return _has(_text("'") + word + _text(f"':{where}"))

    return case(
        (is_there(_NAME_WEIGHT), IN_NAME),
        (is_there(f"*{_NAME_WEIGHT}"), BEGINS_IN_NAME),
        (is_there(_DESCRIPTION_WEIGHT), IN_DESCRIPTION),
        else_=BEGINS_IN_DESCRIPTION,
    )


def _has(query: ColumnElement[str]) -> ColumnElement[bool]:
    return has(product_search.c.words, query)


def _matches_fts5(query: ColumnElement[str]) -> ColumnElement[bool]:
    return matches_fts5("product_search", query)


def _is_of(id: ColumnElement[str]) -> ColumnElement[bool]:
    return _matches_fts5(_text("product_id : ") + id)


def _text(text: str) -> ColumnElement[str]:
    """Written out, so that what is put together of texts and parameters is so once."""
    quoted = text.replace("'", "''")
    return literal_column(f"'{quoted}'", String)


def _joined(between: str, texts: Iterable[ColumnElement[str]]) -> ColumnElement[str]:
    return reduce(lambda one, next: one + _text(between) + next, texts)


def _texts() -> Sequence[ColumnElement[str]]:
    """The words of name and description, each between spaces."""
    return [_text(" ") + text + _text(" ") for text in (_fts.c.name, _fts.c.description)]


def _score_in_fts5(word: str) -> ColumnElement[int]:
    name, description = _texts()
    beginning = _text(" ") + word
    whole = beginning + _text(" ")
    return case(
        (func.instr(name, whole) > 0, IN_NAME),
        (func.instr(name, beginning) > 0, BEGINS_IN_NAME),
        (func.instr(description, whole) > 0, IN_DESCRIPTION),
        else_=BEGINS_IN_DESCRIPTION,
    )


def place(dialect: str) -> ColumnElement[Any]:
    """What the index is read in the order of: that of the ids."""
    return _fts.c.rowid if dialect == "sqlite" else product_search.c.product_id


def place_of(id: ColumnElement[UUID], dialect: str) -> ColumnElement[Any]:
    """The place of a product, or of the one before it, should it be gone."""
    if dialect != "sqlite":
        return id
    ids = mapping.products.c.id
    known = select(func.max(ids)).where(ids <= id).scalar_subquery()
    itself = _is_of(func.coalesce(type_coerce(known, String), NOTHING))
    return select(_fts.c.rowid).where(itself).correlate(None).scalar_subquery()


def its_words(id: ColumnElement[UUID]) -> Select[Any]:
    """The row of one product in FTS5."""
    return select(_fts.c.product_id).where(_is_of(type_coerce(id, String)))


def has_words(words: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row of FTS5 has all these words, looked for in what it says."""
    beginnings = [_text(" ") + word for word in words]
    return and_(*(or_(*(func.instr(text, one) > 0 for text in _texts())) for one in beginnings))


def index(connection: Connection, products: Sequence[Product | NewProduct]) -> None:
    """Make products findable that were just stored."""
    if connection.dialect.name == "sqlite":
        new = sorted(products, key=attrgetter("id"))
        where = places(connection, [product.id for product in new])
        rows = [_in_fts5(*one) for one in zip(where, new, strict=True)]
        connection.execute(insert(_fts), rows)
    else:
        connection.execute(
            insert(product_search),
            [{"product_id": one.id, "words": vector(searchable(one))} for one in products],
        )


def reindex(connection: Connection, products: Sequence[Product]) -> None:
    """Make products findable by what they are now called."""
    if connection.dialect.name == "sqlite":
        for product in products:
            here = _is_of(literal(product.id.hex))
            rowid = connection.scalars(select(_fts.c.rowid).where(here)).one()
            connection.execute(delete(_fts).where(_fts.c.rowid == rowid))
            connection.execute(insert(_fts), _in_fts5(rowid, product))
    else:
        connection.execute(
            update(product_search).where(product_search.c.product_id == bindparam("id")),
            [{"id": product.id, "words": vector(searchable(product))} for product in products],
        )


def _in_fts5(rowid: int, product: Product | NewProduct) -> dict[str, Any]:
    words = searchable(product)
    return {
        "rowid": rowid,
        "product_id": product.id,
        "name": " ".join(words.name),
        "description": " ".join(words.description),
    }
