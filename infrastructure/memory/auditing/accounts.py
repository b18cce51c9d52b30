from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from itertools import accumulate
from typing import Final
from uuid import UUID

from application.auditing import checks
from domain.accounts.account import Account
from domain.accounts.transfer import Entry, Transfer
from domain.shared.money import Money
from infrastructure.memory.auditing.rules import Offenders, Rule, sums_up
from infrastructure.memory.database import MemoryDatabase


def _accounts(database: MemoryDatabase) -> Collection[UUID]:
    return database.rows[Account]


def _entries(database: MemoryDatabase) -> list[Entry]:
    return [entry for transfer in database.all(Transfer) for entry in transfer.entries]


def _transfers(database: MemoryDatabase, _: datetime) -> Offenders:
    for transfer in database.all(Transfer):
        amounts = [entry.amount.minor for entry in transfer.entries]
        accounts = len({entry.account_id for entry in transfer.entries})
        currencies = len({entry.amount.currency for entry in transfer.entries})
        sides = [(entry.position, entry.amount.minor > 0) for entry in transfer.entries]
        if (
            sorted(sides) != [(1, False), (2, True)]
            or sum(amounts) != 0
            or (accounts, currencies) != (2, 1)
        ):
            yield checks.TRANSFERS.finding(
                transfer.id,
                entries=len(amounts),
                accounts=accounts,
                currencies=currencies,
                sum=sum(amounts),
            )


def _balances(database: MemoryDatabase, _: datetime) -> Offenders:
    amounts: dict[UUID, list[Money]] = defaultdict(list)
    for entry in _entries(database):
        amounts[entry.account_id].append(entry.amount)
    for account in database.all(Account):
        yield from sums_up(
            checks.BALANCES, account.id, ("balance", account.balance), amounts[account.id]
        )


def _running(database: MemoryDatabase, _: datetime) -> Offenders:
    by_account: dict[UUID, list[Entry]] = defaultdict(list)
    for entry in sorted(_entries(database), key=lambda entry: (entry.at, entry.id)):
        by_account[entry.account_id].append(entry)
    for entries in by_account.values():
        sums = accumulate(entry.amount.minor for entry in entries)
        befores = [None, *(entry.at for entry in entries[:-1])]
        for entry, sum_, before in zip(entries, sums, befores, strict=True):
            left = entry.balance_after.minor
            if left != sum_ or entry.at == before:
                yield checks.RUNNING.finding(entry.id, balance_after=left, sum=sum_)


def _debts(database: MemoryDatabase, _: datetime) -> Offenders:
    for account in database.all(Account):
        if account.owner_id is not None and account.balance.minor < 0:
            yield checks.DEBTS.finding(account.id, balance=account.balance.minor)


RULES: Final = (
    Rule(checks.TRANSFERS, lambda database: database.rows[Transfer], _transfers),
    Rule(checks.BALANCES, _accounts, _balances),
    Rule(checks.RUNNING, _entries, _running),
    Rule(checks.DEBTS, _accounts, _debts),
)
