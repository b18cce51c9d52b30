from typing import Any, Final

from sqlalchemy import Select, case, distinct, func, or_, select

from application.auditing import checks
from infrastructure.sql.accounts.mapping import accounts, entries, transfers
from infrastructure.sql.auditing.rules import Rule, written


def _transfers() -> Select[Any]:
    count = func.count(entries.c.id)
    sides = func.count(distinct(entries.c.account_id))
    currencies = func.count(distinct(entries.c.currency))
    sum_ = func.coalesce(func.sum(entries.c.amount_minor), 0)
    given = case((entries.c.position == 1, -entries.c.amount_minor), else_=entries.c.amount_minor)
    return (
        select(
            transfers.c.id,
            count.label("entries"),
            sides.label("accounts"),
            currencies.label("currencies"),
            sum_.label("sum"),
        )
        .outerjoin_from(transfers, entries, entries.c.transfer_id == transfers.c.id)
        .group_by(transfers.c.id)
        .having(
            or_(count != 2, sides != 2, currencies != 1, sum_ != 0, func.min(given) <= 0),
        )
    )


def _balances() -> Select[Any]:
    sum_ = func.coalesce(func.sum(entries.c.amount_minor), 0)
    currency = written(accounts.c.currency)
    foreign = func.max(
        case((entries.c.currency != accounts.c.currency, written(entries.c.currency)))
    )
    return (
        select(
            accounts.c.id,
            accounts.c.balance_minor.label("balance"),
            currency.label("currency"),
            sum_.label("sum"),
            func.coalesce(foreign, currency).label("other"),
        )
        .outerjoin_from(accounts, entries, entries.c.account_id == accounts.c.id)
        .group_by(accounts.c.id)
        .having(or_(accounts.c.balance_minor != sum_, foreign.is_not(None)))
    )


def _running() -> Select[Any]:
    account, order = entries.c.account_id, (entries.c.at, entries.c.id)
    sum_ = func.sum(entries.c.amount_minor).over(
        partition_by=account, order_by=order, rows=(None, 0)
    )
    run = select(
        entries.c.id,
        entries.c.balance_after_minor.label("balance_after"),
        sum_.label("sum"),
        entries.c.at,
        func.lag(entries.c.at).over(partition_by=account, order_by=order).label("before"),
    ).subquery()
    return select(run.c.id, run.c.balance_after, run.c.sum).where(
        or_(run.c.balance_after != run.c.sum, run.c.at == run.c.before)
    )


RULES: Final = (
    Rule.over(transfers, checks.TRANSFERS, _transfers()),
    Rule.over(accounts, checks.BALANCES, _balances()),
    Rule.over(entries, checks.RUNNING, _running()),
    Rule.over(
        accounts,
        checks.DEBTS,
        select(accounts.c.id, accounts.c.balance_minor.label("balance")).where(
            accounts.c.owner_id.is_not(None), accounts.c.balance_minor < 0
        ),
    ),
)
