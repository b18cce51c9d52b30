"""Whatever is moved, kept and undone, in whatever order: the books are right on every storage."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from application.accounts.opening import Opening
from application.accounts.queries import AccountFilter
from application.accounts.transfers import Bookkeeping
from domain.accounts.account import LARGEST_BALANCE, Account, AccountId
from domain.accounts.transfer import Transfer
from domain.identity.user import Role, UserId
from domain.shared.money import Currency, Money
from infrastructure.memory.unit_of_work import open_shop
from tests.builders import NOON, a_user, an_actor
from tests.contract.backends import MemoryBackend, PostgresqlBackend, SqliteBackend
from tests.contract.ledger import audited
from tests.contract.side_by_side import Deed, Done, Shop, SideBySide
from tests.contract.steps import everything

DEEPEST_SAVEPOINT: Final = 3
GBP: Final = Currency.of("GBP")

currencies: Final = st.sampled_from([GBP, GBP, GBP, GBP, GBP, Currency.of("JPY")])
amounts: Final = st.sampled_from([1, 1, 2, 2, 3, 3, 5, 8, 13, -1, 0, LARGEST_BALANCE])
blocks: Final = st.sampled_from(
    ["", "", "", "savepoint", "savepoint", "keep", "fail", "commit", "roll back"]
)

# What every account is known to hold, in minor units.
Balances = dict[UUID, int]


class OneLedgerThreeTimes(RuleBasedStateMachine):
    """Use cases in a unit of work and its savepoints, with what has to come of them in mind."""

    owners: Bundle[UserId] = Bundle("owners")
    accounts: Bundle[AccountId] = Bundle("accounts")

    def __init__(self, shops: SideBySide) -> None:
        super().__init__()
        self.shops = shops
        self.clerk = an_actor(Role.STAFF, self.kept("clerk"))
        self.customers = [self.kept(name) for name in ("ada", "bob", "eve")]
        self.now = NOON
        # What is committed, then what it is in the unit of work, then in each of its savepoints.
        self.known: list[Balances] = [{}, {}]

    def clock(self) -> datetime:
        return self.now

    def teardown(self) -> None:
        self.commit()
        self.do(Shop.audit)

    @property
    def balances(self) -> Balances:
        return self.known[-1]

    # What has to be true after every step

    @invariant()
    def nobody_else_sees_what_is_not_committed(self) -> None:
        committed = self.known[0]

        async def look(shop: Shop) -> object:
            page = await shop.backend.accounts.page(everything("created_at"), AccountFilter())
            assert {account.id: account.balance.minor for account in page.items} == committed
            return page.items

        self.do(look)

    @invariant()
    def what_is_not_committed_adds_up_as_well(self) -> None:
        balances, sums = self.balances, defaultdict[str, int](int)

        async def look(shop: Shop) -> object:
            found = [await shop.work.accounts.get(AccountId(id)) for id in sorted(balances)]
            assert {account.id: account.balance.minor for account in found} == balances
            return found

        for account in self.do(look):
            sums[account["balance"].currency.code] += account["balance"].minor
            assert account["owner_id"] is None or account["balance"].minor >= 0
        assert not any(sums.values())

    # The unit of work and its savepoints

    def do(self, deed: Deed) -> Any:
        """What comes of it, which is not to be a refusal."""
        outcome = self.shops.do(deed)
        assert isinstance(outcome, Done), outcome
        return outcome.value

    def attempt(self, deed: Deed) -> Any:
        """What comes of it, or None where it is refused."""
        self.now += timedelta(milliseconds=1)
        outcome = self.shops.do(deed)
        if isinstance(outcome, Done):
            return outcome.value
        assert not outcome.fatal, outcome
        return None

    def nest(self, how: str) -> None:
        """Between any two steps a block may begin or end."""
        depth = len(self.known) - 2
        if how == "savepoint" and depth < DEEPEST_SAVEPOINT:
            self.do(Shop.set_savepoint)
            self.known.append({**self.balances})
        elif how in ("keep", "fail") and depth:
            self.end_savepoint(kept=how == "keep")
        elif how == "commit":
            self.commit()
        elif how == "roll back":
            self.do(Shop.leave)
            self.known = [self.known[0], {**self.known[0]}]
            self.audit()

    def end_savepoint(self, *, kept: bool) -> None:
        self.do(Shop.keep_savepoint if kept else Shop.fail_savepoint)
        balances = self.known.pop()
        if kept:
            self.known[-1] = balances

    def commit(self) -> None:
        while len(self.known) > 2:
            self.end_savepoint(kept=True)
        self.do(Shop.commit)
        self.known = [{**self.balances}, self.balances]
        self.audit()

    def audit(self) -> None:
        self.do(lambda shop: audited(shop.backend))
        self.do(Shop.contents)

    # What people do

    @initialize(target=owners)
    def there_are_owners(self) -> MultipleResults[UserId]:
        return multiple(*self.customers)

    @initialize(target=accounts)
    def there_are_accounts(self) -> MultipleResults[AccountId]:
        """One for each customer, with a little in it."""
        ids = [self.opened(owner_id, GBP) for owner_id in self.customers]
        for id in ids:
            self.deposited(id, Money(10, GBP))
        self.commit()
        return multiple(*ids)

    def kept(self, username: str) -> UserId:
        async def keep(shop: Shop) -> UUID:
            await shop.backend.store(user := a_user(username=username))
            return user.id

        return UserId(self.do(keep))

    @rule(target=accounts, owner_id=owners, currency=currencies, block=blocks)
    def open_account(self, owner_id: UserId, currency: Currency, block: str) -> Any:
        self.nest(block)
        return self.opened(owner_id, currency)

    @rule(id=accounts, minor=amounts, currency=currencies, block=blocks)
    def deposit(self, id: AccountId, minor: int, currency: Currency, block: str) -> None:
        self.nest(block)
        self.deposited(id, Money(minor, currency))

    @rule(
        source_id=accounts,
        target_id=accounts,
        minor=amounts,
        by=st.none() | st.none() | owners,
        block=blocks,
    )
    def transfer(
        self,
        source_id: AccountId,
        target_id: AccountId,
        minor: int,
        by: UserId | None,
        block: str,
    ) -> None:
        self.nest(block)

        async def transfer(shop: Shop) -> Transfer:
            bookkeeping = Bookkeeping(shop.begin, self.clock)
            actor = an_actor(id=by) if by else self.clerk
            return await bookkeeping.transfer(actor, source_id, target_id, Money(minor, GBP))

        self.note(self.attempt(transfer))

    def opened(self, owner_id: UserId, currency: Currency) -> Any:
        async def open_one(shop: Shop) -> Account:
            opening = Opening(shop.begin, GBP, self.clock)
            return await opening.open(self.clerk, owner_id, currency)

        account = self.attempt(open_one)
        if account is None:
            return multiple()
        self.balances[account["id"]] = 0
        return AccountId(account["id"])

    def deposited(self, id: AccountId, amount: Money) -> None:
        async def deposit(shop: Shop) -> Transfer:
            bookkeeping = Bookkeeping(shop.begin, self.clock)
            return await bookkeeping.deposit(self.clerk, id, amount, reference="r")

        self.note(self.attempt(deposit))

    def note(self, transfer: Any) -> None:
        """Two entries that add up to zero, each with the balance that it has to lead to."""
        if transfer is None:
            return
        entries = [entry.state for entry in transfer["entries"]]
        assert len(entries) == 2
        assert sum(entry["amount"].minor for entry in entries) == 0
        for entry in entries:
            # The house account may be new.
            before = self.balances.get(entry["account_id"], 0)
            self.balances[entry["account_id"]] = before + entry["amount"].minor
            assert entry["balance_after"].minor == self.balances[entry["account_id"]]


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """A loop of its own: the machine is no coroutine, and connections belong to one loop."""
    with asyncio.Runner() as loop:
        yield loop


def test_the_books_are_right_whatever_is_moved_kept_and_undone(
    loop: asyncio.Runner, sqlite_url: str, postgresql_url: str
) -> None:
    async def open_both(stack: AsyncExitStack) -> tuple[SqliteBackend, PostgresqlBackend]:
        return (
            await stack.enter_async_context(SqliteBackend.open(sqlite_url)),
            await stack.enter_async_context(PostgresqlBackend.open(postgresql_url)),
        )

    stack = AsyncExitStack()
    sqlite, postgresql = loop.run(open_both(stack))

    @seed(NOON.toordinal())  # the same walks in every run
    def machine() -> OneLedgerThreeTimes:
        for backend in (sqlite, postgresql):
            loop.run(backend.clear())
        shops = SideBySide([MemoryBackend(open_shop()), sqlite, postgresql], loop)
        return OneLedgerThreeTimes(shops)

    try:
        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]  # anything that makes a machine will do
            settings=settings(
                max_examples=14,
                stateful_step_count=30,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=[*HealthCheck],
            ),
        )
    finally:
        loop.run(stack.aclose())
