"""Many new products at once, as quickly as each database takes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from sqlalchemy import Text, Uuid, cast, delete, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession

from application.catalog.loading import ahead, batches
from domain.catalog.product import NewProduct, Product
from infrastructure.event_log import Journal
from infrastructure.sql.catalog.indexing import tag_links
from infrastructure.sql.catalog.mapping import ON_SALE, product_tags, products, stock_movements
from infrastructure.sql.catalog.search import index, product_search, searchable, vector
from infrastructure.sql.catalog.stock import movement_row
from infrastructure.sql.copying import Store, begin_inserting, inserting, keep_statistics
from infrastructure.sql.outbox import entry_row, outbox
from infrastructure.sql.session import forget

_BATCH: Final = 1_000


async def insert_products(session: AsyncSession, new: Iterable[NewProduct]) -> None:
    """Past the session, which would take ten times as long; events and movements included."""
    await session.flush()  # what they refer to
    await begin_inserting(session)
    async with aclosing(ahead(_steps(session, new))) as steps:
        async for store in steps:
            await store()


def _steps(session: AsyncSession, new: Iterable[NewProduct]) -> Iterator[Store]:
    """Some after others, and those table by table, so that nothing waits until all are made."""
    for some in batches(new, _BATCH):
        yield inserting(session, products, [*map(_row, some)])
        yield inserting(session, product_tags, tag_links(some))
        journal = Journal()
        journal.begin_with(some)
        yield inserting(session, outbox, [*map(entry_row, journal.events)])
        yield inserting(session, stock_movements, [*map(movement_row, journal.movements)])
        yield _indexing(session, some)
    yield partial(keep_statistics, session, products)


def _row(new: NewProduct) -> Mapping[str, Any]:
    return {
        "id": new.id,
        "version": 1,
        "sequence": 1,
        "sku": new.sku,
        "slug": new.slug,
        "name": new.name,
        "description": new.description,
        "price_minor": new.price.minor,
        "price_currency": new.price.currency,
        "stock": new.stock,
        "is_active": new.is_active,
        "category_id": new.category_id,
        "tags": new.tags,
        "metadata": new.metadata,
        "created_at": new.at,
        "updated_at": new.at,
    }


async def index_everything(session: AsyncSession) -> int:
    """Search anew, in batches, for there may be more products than memory holds."""
    on_sale = exists().where(products.c.id == product_tags.c.product_id, ON_SALE)
    wrong = product_tags.c.on_sale != on_sale
    await session.execute(update(product_tags).where(wrong).values(on_sale=on_sale))
    await session.execute(delete(product_search))
    batches = select(Product).order_by(products.c.id).limit(_BATCH)
    batch = (await session.scalars(batches)).all()
    count = 0
    while batch:
        await _indexing(session, batch)()
        count += len(batch)
        last = batch[-1].id
        forget(session)
        batch = (await session.scalars(batches.where(products.c.id > last))).all()
    return count


def _indexing(session: AsyncSession, new: Sequence[Product | NewProduct]) -> Store:
    """What makes them findable, ready to be run."""
    if session.get_bind().dialect.name == "sqlite":
        return partial(session.run_sync, lambda sync: index(sync.connection(), new))
    # Not by COPY, whose binary form of a tsvector the driver does not know.
    given = (
        func.unnest(
            literal([product.id for product in new], ARRAY(Uuid)),
            literal([vector(searchable(product)) for product in new], ARRAY(Text)),
        )
        .table_valued("id", "words")
        .render_derived()
    )
    rows = select(given.c.id, cast(given.c.words, TSVECTOR))
    into = insert(product_search).from_select(["product_id", "words"], rows)
    return partial(session.execute, into)
