"""What has to be true of a shop is, whatever it lives through; and whatever is not is found."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Executable,
    ForeignKeyConstraint,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import DropConstraint

from application.auditing.checks import AHEAD, CHECKS, REFERENCES, TIMES, YET_TO_COME
from application.auditing.queries import MOST_SHOWN, Finding, Verdict
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.shared.errors import Demoted, Unavailable
from application.shared.unit_of_work import Runner
from domain.catalog.category import DEEPEST
from domain.catalog.product import ProductId
from domain.identity.user import Role, UserId
from domain.ordering.order import OrderId
from domain.ordering.status import OrderStatus
from infrastructure.memory.unit_of_work import open_shop
from infrastructure.sql.auditing.queries import snapshot, verdicts
from infrastructure.sql.catalog.mapping import categories, stock_movements
from infrastructure.sql.mapping import TABLES
from infrastructure.sql.migrating import Migrations
from infrastructure.sql.ordering.mapping import order_lines, orders
from infrastructure.sql.outbox import outbox
from infrastructure.sql.schema import UtcDateTime
from tests.builders import NOON, a_category, a_product, a_user, an_actor, at_noon
from tests.contract.backends import Backend, MemoryBackend, SqlBackend
from tests.contract.breaches import BREACHES, GHOST, Breach
from tests.contract.lived import Lived, lived
from tests.servers import PostgresCluster

Findings = Mapping[str, Sequence[Finding]]

NOT_IN_MEMORY: Final = {"index", "answers"}
REFERRING: Final = [
    *(column for table in TABLES for column in table.columns if column.foreign_keys),
    stock_movements.c.order_id,
]
PAST: Final = [
    column
    for table in TABLES
    for column in table.c
    if isinstance(column.type, UtcDateTime) and column.name not in YET_TO_COME
]


def found(all_verdicts: Sequence[Verdict]) -> Findings:
    """What each check complains of that complains."""
    return {verdict.check.code: verdict.findings for verdict in all_verdicts if verdict.offenders}


@dataclass(frozen=True, slots=True)
class Unguarded:
    """A shop that has lived, in a database that refuses nothing any more."""

    engine: AsyncEngine
    shop: Lived

    async def found_after(self, *deeds: Executable) -> Findings:
        """What is found once this is done, which is then undone."""
        async with self.engine.connect() as connection:
            for deed in deeds:
                assert (await connection.execute(deed)).rowcount
            return found(await verdicts(connection, at=self.shop.now))

    async def anywhere(self, column: Column[Any]) -> Any:
        """The key of a row in which the column is filled, by the columns of that key."""
        key = [*column.table.primary_key.columns]
        async with self.engine.connect() as connection:
            row = (await connection.execute(select(*key).where(column.is_not(None)))).first()
        assert row is not None, f"nothing in the shop has a {column}"
        return row


@pytest.fixture(scope="module")
def own_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'auditing.db'}"
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="module")
async def unguarded_sqlite(own_sqlite_url: str) -> AsyncIterator[Unguarded]:
    def loosen(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")

    async with SqlBackend.open(own_sqlite_url) as backend:
        event.listen(backend.engine.sync_engine, "connect", loosen)
        await backend.clear()
        yield Unguarded(backend.engine, await lived(backend))


@pytest.fixture(scope="module")
def own_postgresql_url(postgres: PostgresCluster) -> str:
    postgres.create("auditing")
    url = postgres.url("auditing")
    Migrations(url).upgrade()
    return url


@pytest.fixture(scope="module")
async def unguarded_postgresql(own_postgresql_url: str) -> AsyncIterator[Unguarded]:
    async with SqlBackend.open(own_postgresql_url) as backend:
        async with backend.engine.begin() as connection:
            for constraint in (one for table in TABLES for one in table.constraints):
                if isinstance(constraint, CheckConstraint | ForeignKeyConstraint):
                    await connection.execute(DropConstraint(constraint))
        await backend.clear()
        yield Unguarded(backend.engine, await lived(backend))


@pytest.fixture(params=["sqlite", "postgresql"])
def unguarded(request: pytest.FixtureRequest) -> Unguarded:
    chosen: Unguarded = request.getfixturevalue(f"unguarded_{request.param}")
    return chosen


async def test_whatever_a_shop_lives_through_its_books_are_in_order(backend: Backend) -> None:
    shop = await lived(backend)

    all_verdicts = await backend.audits.verdicts(at=shop.now)

    assert found(all_verdicts) == {}
    in_memory = isinstance(backend, MemoryBackend)
    there = [check for check in CHECKS if not (in_memory and check.code in NOT_IN_MEMORY)]
    assert [verdict.check for verdict in all_verdicts] == there
    assert [verdict.check for verdict in all_verdicts if not verdict.rows] == []


async def test_an_empty_shop_is_in_order(backend: Backend) -> None:
    assert found(await backend.audits.verdicts(at=NOON)) == {}


@pytest.mark.parametrize("breach", BREACHES, ids=str)
async def test_what_is_broken_in_a_database_is_found_and_nothing_else(
    unguarded: Unguarded, breach: Breach
) -> None:
    deeds = breach.sql(unguarded.shop)

    after = await unguarded.found_after(*(deeds if isinstance(deeds, Sequence) else [deeds]))

    assert_only(breach, after, unguarded.shop)


@pytest.mark.parametrize("breach", [one for one in BREACHES if one.memory], ids=str)
async def test_what_is_broken_in_memory_is_found_and_nothing_else(breach: Breach) -> None:
    backend = MemoryBackend(open_shop())
    shop = await lived(backend)
    assert breach.memory is not None

    breach.memory(backend.database, shop)

    assert_only(breach, found(await backend.audits.verdicts(at=shop.now)), shop)


def assert_only(breach: Breach, after: Findings, shop: Lived) -> None:
    assert {code: {one.id for one in findings} for code, findings in after.items()} == {
        breach.check.code: breach.expected(shop)
    }
    assert [one.what for one in after[breach.check.code] if breach.what not in one.what] == []


def test_every_check_is_broken_by_something() -> None:
    assert {breach.check for breach in BREACHES} == {*CHECKS}
    assert {breach.check.code for breach in BREACHES if breach.memory} == {
        check.code for check in CHECKS
    } - NOT_IN_MEMORY
    assert len({check.code for check in CHECKS}) == len({check.rule for check in CHECKS})


@pytest.mark.parametrize("column", REFERRING, ids=str)
async def test_no_reference_leads_to_nothing(unguarded: Unguarded, column: Column[Any]) -> None:
    key = await unguarded.anywhere(column)
    there = [part == value for part, value in zip(column.table.primary_key, key, strict=True)]
    nothing = GHOST if column.type.python_type is UUID else "nothing"

    after = await unguarded.found_after(
        update(column.table).where(*there).values({column: nothing})
    )

    known_by = str(nothing if column is [*column.table.primary_key][-1] else key[-1])
    what = f"refers by {column} to {nothing}, which is not there"
    assert Finding(known_by, what) in after[REFERENCES.code]


@pytest.mark.parametrize("column", PAST, ids=str)
async def test_no_time_lies_in_the_future(unguarded: Unguarded, column: Column[Any]) -> None:
    soon, late = (unguarded.shop.now + AHEAD + wait for wait in (timedelta(), timedelta(seconds=1)))

    async def complaints(time: datetime) -> Sequence[Finding]:
        deed = update(column.table).values({column: time})
        return (await unguarded.found_after(deed)).get(TIMES.code, [])

    # What nobody has done to this shop yet is as if it had been.
    assert await complaints(soon) == []
    assert {one.what for one in await complaints(late)} == {f"{column} is {late}"}


async def test_categories_lie_as_deep_as_they_may_and_no_deeper(backend: Backend) -> None:
    path = [a_category()]
    for _ in range(DEEPEST):
        path.append(a_category(below=path[-1]))
    await backend.store(*path[:-1])
    assert found(await backend.audits.verdicts(at=NOON)) == {}

    await backend.store(path[-1])

    [finding] = found(await backend.audits.verdicts(at=NOON))["categories"]
    assert finding.id == str(path[-1].id)


async def test_of_many_that_offend_the_first_are_shown_and_all_are_counted(
    backend: Backend,
) -> None:
    products = [a_product(at=NOON + timedelta(hours=1)) for _ in range(MOST_SHOWN + 3)]
    await backend.store(*products)

    late = next(
        verdict for verdict in await backend.audits.verdicts(at=NOON) if verdict.check is TIMES
    )

    assert late.offenders == 3 * len(products)  # the products, their events and movements
    assert len(late.findings) == MOST_SHOWN


async def test_what_was_placed_before_there_were_movements_is_left_alone(sql: SqlBackend) -> None:
    shop = await lived(sql)
    async with sql.engine.begin() as connection:
        await connection.execute(
            update(stock_movements)
            .where(stock_movements.c.order_id == shop["pending"])
            .values(order_id=None)
        )

    assert found(await sql.audits.verdicts(at=shop.now)) == {}


async def test_nothing_is_found_while_the_shop_is_open(backend: Backend) -> None:
    ada, mug = a_user(), a_product(stock=1000)
    await backend.store(ada, mug)
    run, staff = Runner(), an_actor(Role.STAFF)
    checkout, fulfilment = Checkout(backend.begin, at_noon), Fulfilment(backend.begin, at_noon)

    async def buy(number: int) -> None:
        basket = [BasketLine(ProductId(mug.id), 1 + number % 3)]
        customer_id = UserId(ada.id)
        order = await run(lambda: checkout.place(staff, basket, customer_id=customer_id))
        target = OrderStatus.CANCELLED if number % 2 else OrderStatus.CONFIRMED
        await run(lambda: fulfilment.move(staff, OrderId(order.id), target))

    async def audit() -> Findings:
        return found(await backend.audits.verdicts(at=NOON))

    customers = [asyncio.create_task(buy(number)) for number in range(30)]
    while not all(customer.done() for customer in customers):
        assert await audit() == {}
        await asyncio.sleep(0)
    await asyncio.gather(*customers)
    assert await audit() == {}


async def test_an_audit_sees_one_moment_of_the_shop(sql: SqlBackend) -> None:
    count = select(func.count()).select_from(categories)
    async with snapshot(sql.engine) as connection:
        before = (await connection.execute(count)).scalar_one()
        await sql.store(a_category())
        assert (await connection.execute(count)).scalar_one() == before
    async with snapshot(sql.engine) as connection:
        assert (await connection.execute(count)).scalar_one() == before + 1


EVENT_OF_NOTHING: Final = {"id": GHOST, "type": "", "aggregate_id": GHOST, "sequence": 1}


@pytest.mark.parametrize(
    "deed",
    [
        update(orders).values(note=""),
        insert(outbox).values(**EVENT_OF_NOTHING, payload={}, at=NOON),
        delete(order_lines),
    ],
    ids=["update", "insert", "delete"],
)
async def test_an_audit_cannot_write(sql: SqlBackend, deed: Executable) -> None:
    shop = await lived(sql)
    async with snapshot(sql.engine) as connection:
        with pytest.raises((DBAPIError, Demoted, Unavailable), match=r"(?i)read.?only|25006"):
            await connection.execute(deed)

    assert found(await sql.audits.verdicts(at=shop.now)) == {}
    await sql.store(a_category())  # by whoever has the connection next
