"""How PostgreSQL reads the lists of a shop with 100 000 products: never all of them."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from application.catalog.queries import RELEVANCE, InCategory, ProductFilter
from application.shared.pages import PageRequest, Position, Sort
from domain.catalog.product import ProductId, Sku
from domain.shared.text import Slug
from infrastructure.sql.catalog.queries import SqlProductQueries
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.migrating import Migrations
from infrastructure.sql.readers import EngineReader
from tests.builders import gbp
from tests.servers import PostgresCluster

PRODUCTS: Final = 100_000
MOST_READ: Final = 100_000  # rows of all tables together, for one page; there are more
FURTHEST: Final = 10_000  # as far as HTTP lets anybody go by offset
LARGE: Final = {"products", "product_tags", "product_search", "stock_movements"}
WITHOUT_HASTE: Final = Limits(statement_timeout=60.0)

# Six roots, 42 categories below them and 252 below those; two fifths of the products are below the
# first root. Half of the products have the first tag, one in a hundred the last of the fifty, and
# five in 100 000 are rare. Every description has the word `quality`; of the others the first of
# 1 600 words are much more common than the last.
SHOP: Final = """
SELECT setseed(0.5);

CREATE FUNCTION numbered_id(kind integer, number integer) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (
        lpad(to_hex(1760000000000 + 60000 * number::bigint), 12, '0')
        || '7' || lpad(to_hex(kind), 3, '0') || 'a' || lpad(to_hex(number), 15, '0')
    )::uuid
$$;

CREATE FUNCTION some_word(chance double precision) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT syllables[1 + number % 40] || syllables[1 + number / 40] || 'ne'
    FROM (SELECT floor(1600 * chance ^ 3)::integer) AS drawn (number),
        (SELECT string_to_array(
            'ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu'
            ' bra cle dri flo gru hal jen kir lom mun nal per ris sor tul val wen xim yor zun', ' '
        )) AS known (syllables)
$$;

INSERT INTO categories
    (id, version, sequence, name, slug, description, parent_id, created_at, updated_at)
SELECT numbered_id(1, number), 1, 0, 'Category ' || number, 'category-' || number, '',
    CASE WHEN number > 48 THEN numbered_id(1, 7 + (number - 49) / 6)
         WHEN number > 6 THEN numbered_id(1, 1 + (number - 7) / 7) END,
    '2026-01-01Z'::timestamptz, '2026-01-01Z'
FROM generate_series(1, 300) AS number;

INSERT INTO tags (id, version, sequence, name, slug, created_at)
SELECT numbered_id(2, number), 1, 0, 'Tag ' || number, 'tag-' || number, '2026-01-01Z'::timestamptz
FROM generate_series(1, 50) AS number
UNION ALL SELECT numbered_id(2, 51), 1, 0, 'Rare', 'rare', '2026-01-01Z';

CREATE TEMPORARY TABLE tagged AS
SELECT 'tag-' || tag AS slug, first + floor(random() * 2 * tag)::integer AS product
FROM generate_series(1, 50) AS tag, generate_series(1, {products} - 2 * tag, 2 * tag) AS first
UNION ALL SELECT 'rare', product FROM generate_series(777, {products}, 20000) AS product;

INSERT INTO products
    (id, version, sequence, sku, slug, name, description, price_minor, price_currency, stock,
     is_active, category_id, tags, metadata, created_at, updated_at, deleted_at)
SELECT numbered_id(3, number), 1, 0, 'SKU-' || number, 'product-' || number,
    initcap(some_word(chances[1]) || ' ' || some_word(chances[2])) || ' ' || number,
    'quality ' || some_word(chances[3]) || ' ' || some_word(chances[4]) || ' '
        || some_word(chances[5]) || CASE WHEN number % 20000 = 333 THEN ' unicorn' ELSE '' END,
    floor(100 + 50000 * chances[6] ^ 4), CASE WHEN chances[7] < 0.02 THEN 'USD' ELSE 'GBP' END,
    greatest(0, floor(500 * chances[8] - 100)), chances[9] > 0.05,
    CASE WHEN chances[10] > 0.05 THEN numbered_id(1, CASE
        WHEN chances[10] > 0.15 THEN 49 + floor(252 * chances[11] ^ 2)::integer
        ELSE 1 + floor(48 * chances[11] ^ 2)::integer END) END,
    coalesce(tags, '[]'), '{{}}',
    '2026-01-01Z'::timestamptz + number * interval '1 minute',
    '2026-01-01Z'::timestamptz + (number + floor(chances[12] * {products})) * interval '1 minute',
    CASE WHEN chances[13] < 0.03 THEN '2026-11-01Z'::timestamptz END
FROM (
    SELECT number, ARRAY(SELECT random() FROM generate_series(1, 13 + number * 0)) AS chances
    FROM generate_series(1, {products}) AS number
) AS drawn
LEFT JOIN (SELECT product, jsonb_agg(slug) FROM tagged GROUP BY product) AS its (number, tags)
USING (number);

INSERT INTO product_tags (slug, product_id)
SELECT slug, numbered_id(3, product) FROM tagged ORDER BY product;

INSERT INTO product_search (product_id, words)
SELECT id, setweight(to_tsvector('simple', name || ' ' || replace(sku, '-', ' ')), 'A')
    || setweight(to_tsvector('simple', description), 'D')
FROM products;
"""

SORTS: Final = [
    Sort(field, descending)
    for field in ("name", "price", "created_at", "updated_at", "stock")
    for descending in (False, True)
]
ON_SALE: Final = ProductFilter(is_active=True)
WANTED: Final = {
    "all": ON_SALE,
    "large subtree": replace(ON_SALE, category=InCategory(slug="category-1")),
    "subtree": replace(ON_SALE, category=InCategory(slug="category-30")),
    "leaf": replace(ON_SALE, category=InCategory(slug="category-300")),
    "large category only": replace(ON_SALE, category=InCategory(slug="category-49", only=True)),
    "category only": replace(ON_SALE, category=InCategory(slug="category-300", only=True)),
    "no such category": replace(ON_SALE, category=InCategory(slug="nowhere")),
    "common tag": replace(ON_SALE, tags=(Slug("tag-1"),)),
    "usual tag": replace(ON_SALE, tags=(Slug("tag-10"),)),
    "seldom tag": replace(ON_SALE, tags=(Slug("tag-50"),)),
    "rare tag": replace(ON_SALE, tags=(Slug("rare"),)),
    "no such tag": replace(ON_SALE, tags=(Slug("nothing"),)),
    "two common tags": replace(ON_SALE, tags=(Slug("tag-1"), Slug("tag-2"))),
    "common and rare tag": replace(ON_SALE, tags=(Slug("tag-1"), Slug("rare"))),
    "cheap": replace(ON_SALE, max_price=gbp("1.01")),
    "not cheap": replace(ON_SALE, min_price=gbp("2.00")),
    "dear": replace(ON_SALE, min_price=gbp("495.00")),
    "narrow prices": replace(ON_SALE, min_price=gbp("100.00"), max_price=gbp("101.00")),
    "in stock": replace(ON_SALE, in_stock=True),
    "sold out": replace(ON_SALE, in_stock=False),
    "inactive": ProductFilter(is_active=False),
    "inactive in a large subtree": ProductFilter(
        is_active=False, category=InCategory(slug="category-1")
    ),
    "deleted": ProductFilter(deleted=True),
    "deleted in a subtree": ProductFilter(deleted=True, category=InCategory(slug="category-30")),
    "deleted and inactive": ProductFilter(deleted=True, is_active=False),
    "one sku": replace(ON_SALE, skus=(Sku("SKU-777"),)),
    "many skus": replace(ON_SALE, skus=tuple(Sku(f"SKU-{100 * n}") for n in range(1, 101))),
    "word of all": replace(ON_SALE, words=("quality",)),
    "common word": replace(ON_SALE, words=("babane",)),
    "rare word": replace(ON_SALE, words=("unicorn",)),
    "no such word": replace(ON_SALE, words=("nowhere",)),
    "beginning": replace(ON_SALE, words=("zu",)),
    "short beginning": replace(ON_SALE, words=("b",)),
    "common words": replace(ON_SALE, words=("quality", "ba")),
    "common and rare word": replace(ON_SALE, words=("quality", "unicorn")),
    "common word in a subtree": replace(
        ON_SALE, words=("quality",), category=InCategory(slug="category-30")
    ),
    "common word in a large subtree": replace(
        ON_SALE, words=("quality",), category=InCategory(slug="category-1")
    ),
    "common word, seldom tag": replace(ON_SALE, words=("quality",), tags=(Slug("tag-50"),)),
    "common word, rare tag": replace(ON_SALE, words=("quality",), tags=(Slug("rare"),)),
    "sold out in a large subtree": replace(
        ON_SALE, in_stock=False, category=InCategory(slug="category-1")
    ),
    "seldom tag in a large subtree": replace(
        ON_SALE, tags=(Slug("tag-50"),), category=InCategory(slug="category-1")
    ),
    "seldom tag in a subtree": replace(
        ON_SALE, tags=(Slug("tag-50"),), category=InCategory(slug="category-30")
    ),
    "dear in a subtree": replace(
        ON_SALE, min_price=gbp("495.00"), category=InCategory(slug="category-30")
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement read: how many rows of tables and indexes, and which tables as a whole."""

    rows: float
    whole: frozenset[str]

    @classmethod
    def of(cls, plan: dict[str, Any]) -> Self:
        steps = [step for step in _steps(plan) if step["Actual Loops"] and _reads_storage(step)]
        return cls(
            sum(_rows_read(step) for step in steps),
            frozenset(step["Relation Name"] for step in steps if step["Node Type"] == "Seq Scan"),
        )


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _steps(below)


def _reads_storage(step: dict[str, Any]) -> bool:
    return "Relation Name" in step or "Index Name" in step


def _rows_read(step: dict[str, Any]) -> float:
    thrown_away = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    each_time = step["Actual Rows"] + sum(step.get(rows, 0) for rows in thrown_away)
    return float(each_time * step["Actual Loops"])


class Shop:
    """The lists of a large shop, and how the database read the last page of one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.products = SqlProductQueries(engine, EngineReader(engine))

    async def reading(self, request: PageRequest, wanted: ProductFilter) -> Reading:
        """Read a page, and tell how the last statement was executed that it took."""
        statements: list[tuple[str, Any]] = []

        def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
            statements.append((statement, values))

        event.listen(self._engine.sync_engine, "before_cursor_execute", note)
        await self.products.page(request, wanted)
        event.remove(self._engine.sync_engine, "before_cursor_execute", note)
        return await self._explain(*statements[-1])

    async def far_into(self, sort: Sort, wanted: ProductFilter) -> Position | None:
        """A place far behind the first page; None where there is no second one."""
        count = PageRequest(sort=sort, limit=1, with_total=True)
        total = (await self.products.page(count, wanted)).total or 0
        half = PageRequest(sort=sort, limit=1, offset=min(total // 2, FURTHEST))
        return (await self.products.page(half, wanted)).next

    async def _explain(self, statement: str, values: Any) -> Reading:
        explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
        async with self._engine.connect() as connection:
            [explained] = (await connection.exec_driver_sql(explain, values)).scalar_one()
        return Reading.of(explained["Plan"])


@pytest.fixture(scope="module")
def shop_url(postgres: PostgresCluster) -> str:
    postgres.create("plans")
    url = postgres.url("plans")
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="module")
async def shop(shop_url: str) -> AsyncIterator[Shop]:
    engine = connect(shop_url, WITHOUT_HASTE)
    async with engine.begin() as connection:
        for statement in SHOP.format(products=PRODUCTS).split(";\n\n"):
            await connection.exec_driver_sql(statement)
    # As PostgreSQL does by itself, after a while.
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    yield Shop(engine)
    await engine.dispose()


def sorts_of(wanted: ProductFilter) -> Sequence[Sort]:
    return [*SORTS, Sort(RELEVANCE)] if wanted.words else SORTS


async def test_the_shop_is_as_large_as_it_should_be(shop: Shop) -> None:
    for wanted, least in {
        "all": 90_000,
        "large subtree": 30_000,
        "common tag": 40_000,
        "seldom tag": 800,
        "word of all": 90_000,
        "rare word": 3,
        "inactive": 4_000,
        "deleted": 2_000,
    }.items():
        request = PageRequest(sort=Sort("name"), limit=1, with_total=True)
        page = await shop.products.page(request, WANTED[wanted])
        assert (page.total or 0) > least


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
async def test_the_first_page_is_found_without_reading_all_there_is(
    shop: Shop, wanted: ProductFilter
) -> None:
    for sort in sorts_of(wanted):
        reading = await shop.reading(PageRequest(sort=sort, limit=20), wanted)
        assert not reading.whole & LARGE, sort
        assert reading.rows < MOST_READ, sort


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
async def test_a_page_far_into_a_list_is_found_without_reading_what_is_before_it(
    shop: Shop, wanted: ProductFilter
) -> None:
    for sort in sorts_of(wanted):
        after = await shop.far_into(sort, wanted)
        reading = await shop.reading(PageRequest(sort=sort, limit=20, after=after), wanted)
        assert not reading.whole & LARGE, sort
        assert reading.rows < MOST_READ, sort


async def test_one_product_is_read_alone(shop: Shop) -> None:
    found = await shop.products.by_sku(Sku("SKU-777"))
    assert found is not None
    assert await shop.products.by_slug(Slug("product-777")) == found
    assert await shop.products.find(ProductId(found.id)) == found
