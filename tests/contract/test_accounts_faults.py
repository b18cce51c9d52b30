"""Wherever a use case breaks off, nothing of it is kept; and tried again it is done once."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any, Final

import pytest
from sqlalchemy import event

from application.accounts.opening import Opening
from application.accounts.transfers import Bookkeeping
from application.shared.errors import Deadlock, Unavailable
from application.shared.unit_of_work import Runner
from domain.accounts.account import AccountId
from domain.identity.user import Role, UserId
from domain.shared.money import Currency
from tests.builders import a_house, a_transfer, a_user, actor_of, an_account, at_noon, gbp, usd
from tests.contract.backends import Backend, SqlBackend
from tests.contract.ledger import audited
from tests.contract.side_by_side import Shop

GBP: Final = Currency.of("GBP")

UseCase = Callable[[], Awaitable[object]]


async def prepared(backend: Backend) -> dict[str, UseCase]:
    """Everything that can be done with accounts, in a shop in which it can go well."""
    clerk, ada, bob = a_user(role=Role.STAFF), a_user(), a_user()
    house, purse, jar = a_house(), an_account(ada), an_account(bob)
    dollars = an_account(ada, currency="USD")
    deposit = a_transfer(house, purse, gbp("5"), actor=clerk)
    await backend.keep(clerk, ada, bob, house, purse, jar, dollars, deposit)
    staff = actor_of(clerk)
    bookkeeping = Bookkeeping(backend.begin, at_noon)
    opening = Opening(backend.begin, GBP, at_noon)
    yen = Currency.of("JPY")
    source, target, other = (AccountId(account.id) for account in (purse, jar, dollars))
    return {
        "an account": partial(opening.open, staff, UserId(bob.id), yen),
        "a deposit": partial(bookkeeping.deposit, staff, target, gbp("1"), reference="r"),
        "a first deposit": partial(bookkeeping.deposit, staff, other, usd("1"), reference="r"),
        "a transfer": partial(bookkeeping.transfer, actor_of(ada), source, target, gbp("5")),
    }


each_use_case = pytest.mark.parametrize(
    "name", ["an account", "a deposit", "a first deposit", "a transfer"]
)


@contextmanager
def failing_at(sql: SqlBackend, last: int) -> Iterator[None]:
    """Let so many statements through, and none after them."""
    numbers = count(1)

    def refuse(*_: Any) -> None:
        if next(numbers) > last:
            raise Unavailable("the database went away")

    event.listen(sql.engine.sync_engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(sql.engine.sync_engine, "before_cursor_execute", refuse)


@each_use_case
async def test_a_database_that_goes_away_at_any_statement_keeps_nothing(
    sql: SqlBackend, name: str
) -> None:
    use_case = (await prepared(sql))[name]
    before = await Shop(sql).contents()

    for statements in count():
        try:
            with failing_at(sql, statements):
                await use_case()
            break
        except Unavailable:
            assert await Shop(sql).contents() == before
            assert not await sql.left_open()

    assert statements > 2
    assert await Shop(sql).contents() != before
    await audited(sql)


@each_use_case
async def test_a_commit_that_fails_keeps_nothing(backend: Backend, name: str) -> None:
    use_case = (await prepared(backend))[name]
    before = await Shop(backend).contents()

    backend.fail_next_commit(Unavailable())
    with pytest.raises(Unavailable):
        await use_case()

    assert await Shop(backend).contents() == before


@each_use_case
async def test_what_was_tried_again_was_done_once(backend: Backend, name: str) -> None:
    use_case = (await prepared(backend))[name]
    accounts, run = await audited(backend), Runner()

    backend.fail_next_commit(Deadlock())
    await run(use_case)

    assert run.retries == {"Deadlock": 1}
    done = await audited(backend)
    told = [entry.type for entry in await backend.outbox()]
    opened = name in ("an account", "a first deposit")
    assert len(done) - len(accounts) == told.count("account.opened") == opened
    assert told.count("transfer.made") == (name != "an account")
