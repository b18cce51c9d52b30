"""A catalog that a storage takes over, and hands over again."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import closing
from io import BytesIO
from threading import Event
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Select, literal_column, select

from application.catalog import loading
from application.catalog.curation import Curation
from application.catalog.exchange import ProductRow, RefusedRow
from application.catalog.exporting import Exporting
from application.catalog.importing import Importing
from application.catalog.importing_categories import ImportingCategories
from application.catalog.loading import Outcome
from application.catalog.queries import CategoryCount
from application.catalog.stocking import Stocking
from application.ordering.ports import OrderingWork
from application.shared.clock import utc_now
from application.shared.errors import RowRefused
from application.shared.unit_of_work import Runner
from domain.catalog.category import CategoryId
from domain.catalog.product import DEAREST, LARGEST_STOCK, ProductId, Sku, SkuTaken
from domain.catalog.stock import Cause
from domain.identity.user import Role
from domain.shared.errors import InvalidValue
from domain.shared.money import Currency, Money
from infrastructure.memory.copying import state_of
from infrastructure.memory.unit_of_work import open_shop
from infrastructure.sql.mapping import TABLES
from interfaces.exchange.categories import category_rows
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format
from interfaces.exchange.writing import header, written
from tests.builders import (
    NOON,
    a_category,
    a_draft,
    a_product,
    a_tag,
    an_actor,
    gbp,
    money,
    usd,
)
from tests.contract.backends import Backend, MemoryBackend, SqlBackend
from tests.contract.steps import LONG_ENOUGH, Mishap, everything

STAFF: Final = an_actor(Role.STAFF)
USD: Final = Currency.of("USD")
BATCH: Final = 3

Row = ProductRow | RefusedRow
Begin = Callable[[], OrderingWork]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", BATCH)


def rows_of(file: bytes, format: Format = Format.CSV) -> Iterator[Row]:
    return product_rows(BytesIO(file), format, currency=USD)


def table(*lines: str, header: str = "sku,name,price,stock,category,tags") -> bytes:
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


def mugs(count: int) -> list[str]:
    """The lines of so many different mugs, of which each third shares its tag and category."""
    return [f"MUG-{n},Mug,7.99,{n},Kitchen > Mugs {n % 3},tea mug-{n % 3}" for n in range(count)]


async def load(
    backend: Backend, rows: Iterable[Row], *, skip: bool = False, begin: Begin | None = None
) -> Outcome:
    """As any interface does it: again, where the storage asks for it."""

    async def attempt() -> Outcome:
        return await Importing(begin or backend.begin, utc_now).load(STAFF, rows, skip=skip)

    return await Runner()(attempt)


async def load_file(backend: Backend, file: bytes, *, begin: Begin | None = None) -> Outcome:
    async def attempt() -> Outcome:
        importing = Importing(begin or backend.begin, utc_now)
        return await importing.load(STAFF, rows_of(file), skip=False)

    return await Runner()(attempt)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    return outcome.created, outcome.updated, outcome.unchanged, outcome.refused


async def contents(backend: Backend) -> dict[str, Any]:
    """Everything that is committed, in a form that can be compared."""
    if isinstance(backend, MemoryBackend):
        database = backend.database
        rows = {
            str(id): state_of(entity)
            for entities in database.rows.values()
            for id, entity in entities.items()
        }
        return {**rows, "events": [*database.outbox], "movements": [*database.movements]}
    assert isinstance(backend, SqlBackend)
    star: Select[Any] = select(literal_column("*"))
    async with backend.engine.connect() as connection:
        return {
            table.name: sorted(map(repr, await connection.execute(star.select_from(table))))
            for table in TABLES
        }


async def exported(backend: Backend, format: Format) -> bytes:
    batches = Exporting(backend.products).batches(STAFF)
    lines = [written(product, format) async for batch in batches for product in batch]
    return header(format) + b"".join(lines)


async def stocks(backend: Backend) -> dict[str, int]:
    """How many there are of each product, by sku."""
    batches = Exporting(backend.products).batches(STAFF)
    return {product.sku: product.stock async for batch in batches for product in batch}


async def moved(backend: Backend, sku: str) -> list[tuple[int, Cause]]:
    found = await backend.products.by_sku(Sku(sku))
    assert found is not None
    page = await backend.products.movements(ProductId(found.id), everything("at"))
    return [(movement.change, movement.cause) for movement in page.items]


async def shelves(backend: Backend) -> set[str]:
    """Every category by its path."""
    nodes = {node.category.id: node.category for node in await backend.categories.tree()}

    def path(id: UUID) -> str:
        above = nodes[id].parent_id
        return f"{path(above)} > {nodes[id].name}" if above else nodes[id].name

    return set(map(path, nodes))


async def test_a_file_is_taken_over_with_all_that_it_names(backend: Backend) -> None:
    assert counts(await load_file(backend, table(*mugs(7)))) == (7, 0, 0, 0)

    assert await stocks(backend) == {f"MUG-{n}": n for n in range(7)}
    assert await shelves(backend) == {"Kitchen", *(f"Kitchen > Mugs {n}" for n in range(3))}
    found = await backend.products.by_sku(Sku("MUG-5"))
    assert found is not None
    assert found.category is not None
    assert (found.category.name, found.tags, found.version) == ("Mugs 2", ("mug-2", "tea"), 1)
    assert (found.slug, found.price) == ("mug-mug-5", usd("7.99"))
    tags = await backend.tags.page(everything("name"))
    assert {tag.slug: tag.product_count for tag in tags.items} == {
        "tea": 7,
        "mug-0": 3,
        "mug-1": 2,
        "mug-2": 2,
    }
    assert await moved(backend, "MUG-5") == [(5, Cause.IMPORT)]
    assert await moved(backend, "MUG-0") == []


@pytest.mark.parametrize("skip", [False, True])
async def test_the_second_time_nothing_changes(backend: Backend, skip: bool) -> None:
    await load_file(backend, table(*mugs(7)))
    before = await contents(backend)
    outcome = await load(backend, rows_of(table(*mugs(7))), skip=skip)
    assert counts(outcome) == (0, 0, 7, 0)
    assert await contents(backend) == before


async def test_what_differs_is_changed_and_the_stock_moves(backend: Backend) -> None:
    await load_file(backend, table(*mugs(5)))
    lines = mugs(5)
    lines[3] = "MUG-3,Mug,8.99,1,Garden > Pots,new"
    lines[4] = "MUG-4,Mug,7.99,4,,"
    assert counts(await load_file(backend, table(*lines))) == (0, 2, 3, 0)

    three = await backend.products.by_sku(Sku("MUG-3"))
    four = await backend.products.by_sku(Sku("MUG-4"))
    assert three is not None
    assert three.category is not None
    assert (three.category.name, three.tags, three.version) == ("Pots", ("new",), 2)
    assert (three.price, three.stock) == (usd("8.99"), 1)
    assert four is not None
    assert (four.category, four.tags, four.stock) == (None, (), 4)
    assert await moved(backend, "MUG-3") == [(3, Cause.IMPORT), (-2, Cause.IMPORT)]
    assert await moved(backend, "MUG-4") == [(4, Cause.IMPORT)]


async def test_a_file_that_is_refused_at_its_end_leaves_no_trace(backend: Backend) -> None:
    await load_file(backend, table("MUG-1,Cup,1,9,Attic,old"))
    before = await contents(backend)
    lines = [*mugs(3 * BATCH), "BAD,,1,1,,"]
    with pytest.raises(RowRefused, match=rf"row {len(lines) + 1}: name is blank"):
        await load_file(backend, table(*lines))
    assert await contents(backend) == before
    assert counts(await load_file(backend, table(*mugs(3 * BATCH)))) == (3 * BATCH - 1, 1, 0, 0)


async def test_of_a_file_with_bad_rows_the_good_ones_are_kept(backend: Backend) -> None:
    lines = mugs(2 * BATCH + 2)
    lines[0] = "MUG-0,,1,1,,"
    lines[3] = "MUG-3,Mug,1.999,1,,"
    lines[7] = "MUG-6,Mug again,1,1,,"
    outcome = await load(backend, rows_of(table(*lines)), skip=True)
    assert counts(outcome) == (5, 0, 0, 3)
    assert [row.number for row in outcome.refusals] == [2, 5, 9]
    assert await stocks(backend) == {f"MUG-{n}": n for n in (1, 2, 4, 5, 6)}


async def test_a_file_that_was_cut_off_is_taken_up_again(backend: Backend) -> None:
    file = table(*mugs(3 * BATCH))

    def cut_off() -> Iterator[Row]:
        for count, row in enumerate(rows_of(file)):
            if count == 2 * BATCH:
                raise Mishap
            yield row

    with pytest.raises(Mishap):
        await load(backend, cut_off(), skip=False)
    assert await stocks(backend) == {}
    with pytest.raises(Mishap):
        await load(backend, cut_off(), skip=True)
    done = await stocks(backend)
    assert {*done} <= {f"MUG-{n}" for n in range(2 * BATCH)}
    assert len(done) >= BATCH

    outcome = await load(backend, rows_of(file), skip=True)
    assert counts(outcome) == (3 * BATCH - len(done), 0, len(done), 0)
    assert await stocks(backend) == {f"MUG-{n}": n for n in range(3 * BATCH)}
    assert await moved(backend, "MUG-1") == [(1, Cause.IMPORT)]
    told = [entry.type for entry in await backend.outbox()]
    assert told.count("product.created") == 3 * BATCH
    assert len(told) == 3 * BATCH + len(await shelves(backend)) + 4


async def test_whoever_gave_the_rows_may_close_them_once_one_is_refused(backend: Backend) -> None:
    released = Event()

    def rows() -> Generator[Row, None, None]:
        for number in range(BATCH):
            yield RefusedRow(number, InvalidValue("name", "is blank"))
        released.wait()  # while the next batch is read, the first one is refused already
        yield from rows_of(table(*mugs(1)))

    asyncio.get_running_loop().call_later(LONG_ENOUGH, released.set)
    with closing(rows()) as given, pytest.raises(RowRefused):
        await load(backend, given)
    assert await stocks(backend) == {}


@pytest.mark.parametrize("skip", [False, True])
async def test_the_same_file_twice_at_once_is_taken_over_once(backend: Backend, skip: bool) -> None:
    file = table(*mugs(4 * BATCH))

    async def attempt() -> Outcome:
        return await Importing(backend.begin, utc_now).load(STAFF, rows_of(file), skip=skip)

    runner = Runner()
    outcomes = await asyncio.gather(runner(attempt), runner(attempt))
    assert await stocks(backend) == {f"MUG-{n}": n for n in range(4 * BATCH)}
    assert [one.refused + one.updated for one in outcomes] == [0, 0]
    assert await moved(backend, "MUG-1") == [(1, Cause.IMPORT)]
    told = [entry.type for entry in await backend.outbox()]
    assert told.count("product.created") == 4 * BATCH
    assert told.count("category.created") == 4
    assert {entry.sequence for entry in await backend.outbox()} == {1}
    if not skip:
        assert sorted(counts(one) for one in outcomes) == [
            (0, 0, 4 * BATCH, 0),
            (4 * BATCH, 0, 0, 0),
        ]


def interrupted(backend: Backend, meanwhile: Callable[[], Awaitable[object]]) -> Begin:
    """Units of work of which the first, about to add what is new, is overtaken by somebody."""
    begun = False

    def begin() -> OrderingWork:
        nonlocal begun
        work = backend.begin()
        if not begun:
            begun = True
            add_many = work.products.add_many

            async def add_overtaken(products: Any) -> None:
                await meanwhile()
                await add_many(products)

            setattr(work.products, "add_many", add_overtaken)  # noqa: B010
        return work

    return begin


async def test_a_product_that_somebody_else_makes_meanwhile_is_changed(
    overlapping: Backend,
) -> None:
    async def make() -> None:
        draft = a_draft(sku_text="MUG-1", slug_text="theirs", name="Theirs", stock=5)
        await Stocking(overlapping.begin, utc_now).create(STAFF, draft)

    outcome = await load_file(overlapping, table(*mugs(3)), begin=interrupted(overlapping, make))
    assert counts(outcome) == (2, 1, 0, 0)
    assert await stocks(overlapping) == {"MUG-0": 0, "MUG-1": 1, "MUG-2": 2}
    assert await moved(overlapping, "MUG-1") == [(5, Cause.ADJUSTMENT), (-4, Cause.IMPORT)]
    found = await overlapping.products.by_sku(Sku("MUG-1"))
    assert found is not None
    assert (found.slug, found.name) == ("theirs", "Mug")


async def test_a_slug_that_somebody_else_takes_meanwhile_is_not_suggested_again(
    overlapping: Backend,
) -> None:
    async def take() -> None:
        draft = a_draft(sku_text="THEIRS", slug_text="mug", stock=0)
        await Stocking(overlapping.begin, utc_now).create(STAFF, draft)

    outcome = await load_file(overlapping, table(*mugs(1)), begin=interrupted(overlapping, take))
    assert counts(outcome) == (1, 0, 0, 0)
    found = await overlapping.products.by_sku(Sku("MUG-0"))
    assert found is not None
    assert found.slug == "mug-mug-0"


async def test_a_category_that_somebody_else_deletes_meanwhile_is_made_anew(
    overlapping: Backend,
) -> None:
    attic = a_category(name="Attic")
    await overlapping.keep(attic)

    async def delete() -> None:
        await Curation(overlapping.begin, utc_now).delete(STAFF, CategoryId(attic.id))

    outcome = await load_file(
        overlapping, table("MUG,Mug,1,1,Attic,"), begin=interrupted(overlapping, delete)
    )
    assert counts(outcome) == (1, 0, 0, 0)
    assert await shelves(overlapping) == {"Attic"}
    found = await overlapping.products.by_sku(Sku("MUG"))
    assert found is not None
    assert found.category is not None


async def test_a_product_that_an_import_has_made_is_there_for_whoever_comes_later(
    backend: Backend,
) -> None:
    await load_file(backend, table(*mugs(1)))
    with pytest.raises(SkuTaken):
        await Stocking(backend.begin, utc_now).create(STAFF, a_draft(sku_text="MUG-0"))


async def odd_catalog() -> Backend:
    """A shop in memory with everything that is hard to write down."""
    shop = MemoryBackend(open_shop())
    root = a_category(name="TV & <Radio>", slug_text="root")
    child = a_category(name="40 > 50 \\ 60", slug_text="child", below=root)
    leaf = a_category(name='=1+1, "quoted" \'n such ☕', slug_text="leaf", below=child)
    spaced = a_category(name=" > ", slug_text="spaced", below=leaf)
    tags = [a_tag(slug_text=text) for text in ("a", "-b-", "z" * 200)]
    odd = '=1+2\n\'=3\r\n\ttabs, "quotes" and \\N \u2028\u200e🍵 é \ufeff'
    products = [
        a_product(sku_text="A", slug_text="a", name="Plain", stock=0, price=gbp("0")),
        a_product(
            sku_text="A-1",
            slug_text="b",
            name="+SUM(A1)",
            description=odd,
            price=money("1.234", "KWD"),
            stock=LARGEST_STOCK,
            category=spaced,
            tags=tags,
            metadata={"z": "1", "a": odd, "=cmd": "@x", '"': "\\", "ключ": " "},
            is_active=False,
        ),
        a_product(sku_text="--", slug_text="-", name="'", price=Money(DEAREST, USD), category=root),
        a_product(sku_text="0", slug_text="c", name="-1", price=money("5", "JPY"), category=child),
        a_product(sku_text="9", slug_text="d", name="@home", description="\r", tags=tags[:1]),
        a_product(sku_text="B", slug_text="e", name=" spaces ", description="\n\n", category=leaf),
        a_product(sku_text="C", slug_text="f", name="'=1", description="'" * 9 + "="),
        a_product(sku_text="Z" * 50, slug_text="f" * 200, name="n" * 200, description="d" * 10_000),
    ]
    gone = a_product(sku_text="GONE", slug_text="gone")
    gone.delete(at=NOON)
    await shop.keep(root, child, leaf, spaced, *tags, *products, gone)
    return shop


@pytest.mark.parametrize("format", [*Format])
async def test_what_one_shop_exports_another_takes_over_and_exports_again(
    backend: Backend, format: Format
) -> None:
    origin = await odd_catalog()
    file = await exported(origin, format)
    outcome = await load(backend, rows_of(file, format))
    assert counts(outcome) == (8, 0, 0, 0)
    for other in Format:
        assert await exported(backend, other) == await exported(origin, other)
    assert await shelves(backend) == await shelves(origin)
    before = await contents(backend)
    assert counts(await load(backend, rows_of(file, format))) == (0, 0, 8, 0)
    assert await contents(backend) == before


async def test_a_catalog_is_handed_over_in_the_order_of_its_skus(backend: Backend) -> None:
    skus = ["-", "--", "-0", "0", "0-", "09", "1", "10", "9", "A", "A-", "A-A", "A0", "AA", "B"]
    lines = [f"{one},Mug,1,1,," for one in reversed(skus)]
    await load_file(backend, table(*lines))
    assert [*await stocks(backend)] == skus


async def test_a_tree_of_categories_is_taken_over(backend: Backend) -> None:
    file = "\n".join(
        [
            '{"path": ["A", "B", "C"], "slug": "deep", "description": "Down here"}',
            '{"path": ["A"], "slug": "top"}',
            '{"path": ["A", "A"]}',
            '{"path": ["B", "A"]}',
            '{"path": ["A", "C"], "slug": "deep"}',
            '{"path": ["A"]}',
            '{"path": ["A", "B"]}',
        ]
    ).encode()

    async def taken_over() -> tuple[int, int, int, int]:
        importing = ImportingCategories(backend.begin, utc_now)
        return counts(await importing.load(STAFF, category_rows(BytesIO(file)), skip=True))

    assert await taken_over() == (6, 1, 1, 2)
    assert await shelves(backend) == {"A", "A > B", "A > B > C", "A > A", "B", "B > A"}
    nodes: list[CategoryCount] = [*await backend.categories.tree()]
    described = {node.category.slug: node.category.description for node in nodes}
    assert described["deep"] == "Down here"
    assert "top" in described
    before = await contents(backend)
    assert await taken_over() == (0, 0, 5, 2)
    assert await contents(backend) == before
