"""The command `tradepost orders`: the end of unpaid orders, and of payments without an answer."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from dependency_injector import providers

from application.identity.actor import Actor
from application.shared.clock import utc_now
from domain.catalog.product import ProductId
from domain.identity.user import UserId
from domain.ordering.order import Order, OrderId
from infrastructure.gateways import FakeGateway, Play
from interfaces.container import Container
from tests.builders import a_product, a_user, an_order, usd
from tests.http import test_cli
from tests.http.api import SECRET, settings
from tests.http.test_cli import DONE, FAILED, FILE, OTHER_SCHEMA, WRONG_USE, Run

# What its tests run the command with.
folder = test_cli.folder
tradepost = test_cli.tradepost
empty = test_cli.empty

HOUR: Final = timedelta(hours=1)


@pytest.fixture(autouse=True)
def migrated(tradepost: Run) -> None:
    """What is done once, and told by whichever command comes first."""
    assert tradepost("db", "upgrade").code == DONE


@dataclass(frozen=True, slots=True)
class Owner:
    """A customer of the shop in this folder, with what they ordered so many hours ago."""

    folder: Path
    actor: Actor
    orders: dict[int, Order]

    def pay(self, hours: int, amount: str, *, by: FakeGateway) -> None:
        """Have the provider collect this from them for one of the orders."""

        async def charge() -> None:
            shop = a_shop(self.folder)
            with shop.gateway.override(providers.Object(by)):
                id = OrderId(self.orders[hours].id)
                await shop.charging().charge(self.actor, id, usd(amount))
            await shop.engine().dispose()

        asyncio.run(charge())


def a_shop(folder: Path) -> Container:
    found = settings(database_url=f"sqlite:///{folder}/{FILE}", secret_key=SECRET)
    return Container(settings=providers.Object(found))


def ordered(folder: Path, *hours: int) -> Owner:
    """Orders of one mug each, placed so many hours ago and not paid."""
    now = utc_now()

    async def placed() -> Owner:
        shop = a_shop(folder)
        async with shop.work() as work:
            ada = a_user(username="ada")
            mug = a_product(sku_text="MUG", price=usd("10.00"), stock=100)
            work.users.add(ada)
            work.products.add(mug)
            await work.flush()
            orders = {n: an_order(mug, customer=ada, at=now - n * HOUR) for n in hours}
            for order in orders.values():
                work.orders.add(order)
            await work.commit()
        await shop.engine().dispose()
        return Owner(folder, Actor(UserId(ada.id), ada.role), orders)

    return asyncio.run(placed())


def read(query: str) -> list[Any]:
    with closing(sqlite3.connect(FILE)) as connection:
        return connection.execute(query).fetchall()


def statuses() -> list[str]:
    """Of the orders, the oldest first."""
    return [status for (status,) in read("SELECT status FROM orders ORDER BY placed_at")]


def stock() -> int:
    [(left,)] = read("SELECT stock FROM products")
    return int(left)


def reasons() -> set[str]:
    """Why orders were cancelled, as their customers read it."""
    told = read("SELECT payload ->> 'reason' FROM outbox WHERE type = 'order.cancelled'")
    return {reason for (reason,) in told}


def test_what_nobody_pays_is_cancelled_after_two_days(tradepost: Run, folder: Path) -> None:
    ordered(folder, 72, 49, 47, 0)
    assert stock() == 96
    done = tradepost("orders", "expire")
    assert (done.code, done.output, done.errors) == (DONE, "unpaid orders cancelled: 2\n", "")
    assert statuses() == ["cancelled", "cancelled", "pending", "pending"]
    assert stock() == 98
    assert reasons() == {"unpaid for 2 days"}
    actors = read("SELECT payload ->> 'actor_id' FROM outbox WHERE type = 'order.cancelled'")
    assert {*actors} == {("00000000-0000-0000-0000-000000000000",)}


def test_a_second_time_there_is_nothing_to_do(tradepost: Run, folder: Path) -> None:
    ordered(folder, 72, 49)
    tradepost("orders", "expire")
    before = read("SELECT * FROM orders"), read("SELECT * FROM outbox")
    again = tradepost("orders", "expire")
    assert (again.code, again.output, again.errors) == (DONE, "unpaid orders cancelled: 0\n", "")
    assert (read("SELECT * FROM orders"), read("SELECT * FROM outbox")) == before
    assert stock() == 100


def test_the_shop_says_how_long_it_waits_and_the_command_better(
    tradepost: Run, folder: Path
) -> None:
    ordered(folder, 72, 49, 25, 4, 0)
    for arguments, hours, cancelled in (
        ((), {"UNPAID_ORDER_HOURS": "60"}, 1),
        (("--older-than", "48h"), {}, 1),
        (("--older-than", "1d"), {"UNPAID_ORDER_HOURS": "60"}, 1),
        (("--older-than", "90m"), {}, 1),
    ):
        done = tradepost("orders", "expire", *arguments, **hours)
        said = f"unpaid orders cancelled: {cancelled}\n"
        assert (done.code, done.output, done.errors) == (DONE, said, "")
    assert statuses() == ["cancelled"] * 4 + ["pending"]


def test_what_is_being_paid_or_costs_nothing_or_has_moved_stays(
    tradepost: Run, folder: Path
) -> None:
    owner = ordered(folder, 72, 71, 70, 69)
    provider = FakeGateway([Play.APPROVE, Play.LOSE, Play.DECLINE])
    owner.pay(72, "1.00", by=provider)
    owner.pay(71, "1.00", by=provider)
    owner.pay(70, "1.00", by=provider)
    with closing(sqlite3.connect(FILE)) as connection, connection:
        connection.execute("UPDATE orders SET status = 'confirmed' WHERE number = ?",
                           (owner.orders[69].number,))  # fmt: skip
    assert tradepost("orders", "expire").output == "unpaid orders cancelled: 1\n"
    assert statuses() == ["pending", "pending", "cancelled", "confirmed"]


def test_one_that_cannot_be_cancelled_is_one_line_and_the_others_are(
    tradepost: Run, folder: Path
) -> None:
    owner = ordered(folder, 72, 71, 70)
    full = owner.orders[71]

    async def fill() -> None:
        """Order something else in its place, of which there is no room for one more."""
        shop = a_shop(folder)
        async with shop.work() as work:
            pot = a_product(sku_text="POT", price=usd("10.00"), stock=1)
            work.products.add(pot)
            await work.flush()
            there = await work.orders.get(OrderId(full.id))
            there.lines[0].product_id = ProductId(pot.id)
            pot.stock = 2_147_483_647
            await work.commit()
        await shop.engine().dispose()

    asyncio.run(fill())
    for cancelled in (2, 0):
        done = tradepost("orders", "expire")
        said = f"unpaid orders cancelled: {cancelled}\n"
        assert (done.code, done.output) == (FAILED, said)
        [line] = done.errors.splitlines()
        assert line.startswith(f"order {full.id} stays: ")
        assert "Traceback" not in line
    assert statuses() == ["cancelled", "pending", "cancelled"]


def test_a_payment_without_an_answer_is_asked_about_again(tradepost: Run, folder: Path) -> None:
    owner = ordered(folder, 1, 2, 3)
    provider = FakeGateway([Play.APPROVE_LATE, Play.LOSE, Play.DECLINE_LATE])
    for hours, amount in ((1, "10.00"), (2, "10.00"), (3, "4.00")):
        owner.pay(hours, amount, by=provider)
    settle = partial(tradepost, "orders", "settle")
    with Container.gateway.override(providers.Callable(lambda: provider)):
        done = settle()  # not yet: they were asked about a moment ago
        assert (done.code, done.output, done.errors) == (DONE, "payments settled: 0\n", "")
        with closing(sqlite3.connect(FILE)) as connection, connection:
            connection.execute("UPDATE payments SET created_at = '2026-01-01 00:00:00.000000'")
        done = settle("--older-than", "1d")
        assert (done.code, done.output, done.errors) == (DONE, "payments settled: 3\n", "")
        again = settle()
        assert (again.code, again.output) == (DONE, "payments settled: 0\n")
    assert statuses() == ["pending", "pending", "confirmed"]
    assert read("SELECT status, failure FROM payments ORDER BY created_at, id") == [
        ("succeeded", None),
        ("failed", "the charge never arrived"),
        ("failed", "the card was declined"),
    ]
    assert len(provider.collected) == 1


def test_one_that_still_has_no_answer_stays_pending(tradepost: Run, folder: Path) -> None:
    provider = FakeGateway([Play.APPROVE_LATE])
    ordered(folder, 1).pay(1, "10.00", by=provider)
    with closing(sqlite3.connect(FILE)) as connection, connection:
        connection.execute("UPDATE payments SET created_at = '2026-01-01 00:00:00.000000'")
    provider.script.append(Play.LOSE)
    with Container.gateway.override(providers.Callable(lambda: provider)):
        for settled in (0, 1):
            done = tradepost("orders", "settle")
            said = f"payments settled: {settled}\n"
            assert (done.code, done.output, done.errors) == (DONE, said, "")
    assert statuses() == ["confirmed"]


def test_a_shop_without_a_provider_leaves_open_what_one_may_have_collected(
    tradepost: Run, folder: Path
) -> None:
    provider = FakeGateway([Play.APPROVE_LATE])
    ordered(folder, 72).pay(72, "10.00", by=provider)
    with closing(sqlite3.connect(FILE)) as connection, connection:
        connection.execute("UPDATE payments SET created_at = '2026-01-01 00:00:00.000000'")
    done = tradepost("orders", "settle")
    assert (done.code, done.output) == (DONE, "payments settled: 0\n")
    assert tradepost("orders", "expire").output == "unpaid orders cancelled: 0\n"
    assert read("SELECT status FROM payments") == [("pending",)]
    assert (len(provider.collected), statuses()) == (1, ["pending"])


@pytest.mark.parametrize("command", ["expire", "settle"])
@pytest.mark.parametrize(
    "time",
    ["", " ", "48", "h", "0h", "-1h", "+1h", "1.5h", "48 h", "48H", "1w", "1h30m", "٣h", "1h\n",
     "now", "999999d", "1000000h", "2026-11-21T00:00:00Z"],
)  # fmt: skip
def test_a_time_that_is_none_is_one_line_and_cancels_nothing(
    tradepost: Run, folder: Path, command: str, time: str
) -> None:
    ordered(folder, 72)
    refused = tradepost("orders", command, "--older-than", time)
    assert (refused.code, refused.output) == (WRONG_USE, "")
    assert "Traceback" not in refused.errors
    blamed = [line for line in refused.errors.splitlines() if "--older-than" in line]
    assert len(blamed) == 1
    assert statuses() == ["pending"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("expire", "now"),
        ("expire", "--older-than"),
        ("settle", "--force"),
        ("settle", "x"),
    ],
    ids=" ".join,
)
def test_wrong_use_cancels_nothing(
    tradepost: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    ordered(folder, 72)
    refused = tradepost("orders", *arguments)
    assert refused.code == WRONG_USE
    assert "Traceback" not in refused.errors
    assert statuses() == ["pending"]


@pytest.mark.parametrize("hours", ["0", "-1", "1.5", "two", "", "99999999999", "20000000"])
def test_a_shop_that_waits_no_time_or_for_ever_is_one_line(
    tradepost: Run, folder: Path, hours: str
) -> None:
    ordered(folder, 72)
    refused = tradepost("orders", "expire", UNPAID_ORDER_HOURS=hours)
    assert refused.code == WRONG_USE
    assert refused.reason.startswith("tradepost: TRADEPOST_UNPAID_ORDER_HOURS does not fit: ")
    assert statuses() == ["pending"]


def test_a_schema_of_another_version_is_left_alone(tradepost: Run, empty: str) -> None:
    for command in ("expire", "settle"):
        refused = tradepost("orders", command, DATABASE_URL=empty, SECRET_KEY=SECRET)
        assert refused.code == OTHER_SCHEMA
        assert "tradepost db upgrade" in refused.reason
