from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from application.auditing import checks
from domain.ordering.payment import PaymentMethod, PaymentStatus
from domain.ordering.status import OrderStatus
from infrastructure.sql.accounts.mapping import accounts, entries
from infrastructure.sql.auditing.rules import Rule, written
from infrastructure.sql.ordering.mapping import orders, payments, refund_parts, refunds

_SUCCEEDED: Final = payments.c.status == PaymentStatus.SUCCEEDED
_OF_CREDIT: Final = PaymentMethod.STORE_CREDIT


def _sum(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(amount), 0)


def _foreign(table: Table) -> ColumnElement[Any]:
    """A currency that is not the order's, if there is one."""
    return func.max(case((table.c.currency != orders.c.currency, written(table.c.currency))))


def _paid() -> Select[Any]:
    sum_ = _sum(case((_SUCCEEDED, payments.c.amount_minor), else_=0))
    return _sums_up(orders.c.paid_minor.label("paid"), payments, sum_)


def _refunded() -> Select[Any]:
    return _sums_up(
        orders.c.refunded_minor.label("refunded"), refunds, _sum(refunds.c.amount_minor)
    )


def _sums_up(whole: Any, parts: Table, sum_: ColumnElement[Any]) -> Select[Any]:
    """Orders of which this is not the sum of those parts, in their currency."""
    currency, foreign = written(orders.c.currency), _foreign(parts)
    return (
        select(
            orders.c.id,
            whole,
            currency.label("currency"),
            sum_.label("sum"),
            func.coalesce(foreign, currency).label("other"),
        )
        .outerjoin_from(orders, parts, parts.c.order_id == orders.c.id)
        .group_by(orders.c.id)
        .having(or_(whole.element != sum_, foreign.is_not(None)))
    )


def _of_orders(table: Table, amount: ColumnElement[Any]) -> Subquery:
    return (
        select(table.c.order_id, func.sum(amount).label("sum"))
        .group_by(table.c.order_id)
        .subquery()
    )


def _covered() -> Select[Any]:
    begun = _of_orders(
        payments,
        case((payments.c.status == PaymentStatus.FAILED, 0), else_=payments.c.amount_minor),
    )
    back = _of_orders(refunds, refunds.c.amount_minor)
    most, gone = func.coalesce(begun.c.sum, 0), func.coalesce(back.c.sum, 0)
    covered = orders.c.covered_minor
    # What goes back is due again only as long as the order is pending.
    return (
        select(
            orders.c.id,
            covered.label("covered"),
            most.label("begun"),
            gone.label("back"),
        )
        .outerjoin_from(orders, begun, begun.c.order_id == orders.c.id)
        .outerjoin(back, back.c.order_id == orders.c.id)
        .where(
            or_(
                covered > most,
                covered < most - gone,
                and_(orders.c.status == OrderStatus.PENDING, covered != most - gone),
            )
        )
    )


def _overpaid() -> Select[Any]:
    total, paid, back, covered = (
        orders.c[f"{name}_minor"] for name in ("total", "paid", "refunded", "covered")
    )
    return select(
        orders.c.id,
        total.label("total"),
        paid.label("paid"),
        back.label("refunded"),
        covered.label("covered"),
    ).where(or_(back > paid, paid - back > total, covered > total, back < 0, covered < 0))


def _parts() -> Select[Any]:
    parts, sum_ = func.count(refund_parts.c.id), _sum(refund_parts.c.amount_minor)
    strange = func.count(case((payments.c.order_id != refunds.c.order_id, 1)))
    foreign = func.count(case((refund_parts.c.currency != refunds.c.currency, 1)))
    first, last = func.min(refund_parts.c.position), func.max(refund_parts.c.position)
    return (
        select(
            refunds.c.id,
            refunds.c.amount_minor.label("amount"),
            parts.label("parts"),
            sum_.label("sum"),
        )
        .outerjoin_from(refunds, refund_parts, refund_parts.c.refund_id == refunds.c.id)
        .outerjoin(payments, payments.c.id == refund_parts.c.payment_id)
        .group_by(refunds.c.id)
        .having(
            or_(
                refunds.c.amount_minor != sum_,
                parts == 0,
                first != 1,
                last != parts,
                strange > 0,
                foreign > 0,
            )
        )
    )


def _returned() -> Select[Any]:
    sum_ = _sum(refund_parts.c.amount_minor)
    kept = case((_SUCCEEDED, payments.c.amount_minor), else_=0) - payments.c.refunded_minor
    due_back = payments.c.due_back_minor
    other = func.count(case((refund_parts.c.method != payments.c.method, 1)))
    is_owed = and_(
        payments.c.method == PaymentMethod.EXTERNAL, orders.c.status == OrderStatus.CANCELLED
    )
    return (
        select(
            payments.c.id,
            payments.c.refunded_minor.label("refunded"),
            sum_.label("sum"),
            due_back.label("due_back"),
        )
        .join_from(payments, orders, orders.c.id == payments.c.order_id)
        .outerjoin(refund_parts, refund_parts.c.payment_id == payments.c.id)
        .group_by(payments.c.id, orders.c.id)
        .having(
            or_(
                payments.c.refunded_minor != sum_,
                other > 0,
                kept < 0,
                due_back < 0,
                due_back > case((is_owed, kept), else_=0),
            )
        )
    )


def _uses() -> Subquery:
    """How often each transfer is that of a payment or of a part of a refund."""
    used = union_all(
        *(
            select(table.c.transfer_id).where(table.c.transfer_id.is_not(None))
            for table in (payments, refund_parts)
        )
    ).subquery()
    return (
        select(used.c.transfer_id, func.count().label("times"))
        .group_by(used.c.transfer_id)
        .subquery()
    )


def _credit(table: Table, at: FromClause, *, customer: int) -> Select[Any]:
    """
    Rows of store credit without a transfer of their own that fits, or of others that have one.

    `at` is the table with its order; `customer` is the place of their entry, 1 where they give.
    """
    uses, given, taken = _uses(), entries.alias(), entries.alias()
    giver, taker = accounts.alias(), accounts.alias()
    theirs, house = (giver, taker) if customer == 1 else (taker, giver)
    fits = and_(
        given.c.amount_minor == -table.c.amount_minor,
        taken.c.amount_minor == table.c.amount_minor,
        given.c.currency == table.c.currency,
        theirs.c.owner_id == orders.c.customer_id,
        house.c.id.is_not(None),
        house.c.owner_id.is_(None),
        uses.c.times == 1,
    )
    is_credit = table.c.method == _OF_CREDIT
    return (
        select(table.c.id, literal(table.name).label("what"))
        .select_from(at)
        .outerjoin(given, and_(given.c.transfer_id == table.c.transfer_id, given.c.position == 1))
        .outerjoin(taken, and_(taken.c.transfer_id == table.c.transfer_id, taken.c.position == 2))
        .outerjoin(giver, giver.c.id == given.c.account_id)
        .outerjoin(taker, taker.c.id == taken.c.account_id)
        .outerjoin(uses, uses.c.transfer_id == table.c.transfer_id)
        .where(
            case(
                (is_credit, case((fits, 0), else_=1)),
                (table.c.transfer_id.is_not(None), 1),
                else_=0,
            )
            == 1
        )
    )


RULES: Final = (
    Rule.over(orders, checks.PAID, _paid()),
    Rule.over(orders, checks.REFUNDED, _refunded()),
    Rule.over(orders, checks.COVERED, _covered()),
    Rule.over(orders, checks.OVERPAID, _overpaid()),
    Rule.over(refunds, checks.PARTS, _parts()),
    Rule.over(payments, checks.RETURNED, _returned()),
    Rule.over(
        payments,
        checks.CREDIT,
        _credit(payments, payments.join(orders, orders.c.id == payments.c.order_id), customer=1),
    ),
    Rule.over(
        refund_parts,
        checks.CREDIT,
        _credit(
            refund_parts,
            refund_parts.join(refunds, refunds.c.id == refund_parts.c.refund_id).join(
                orders, orders.c.id == refunds.c.order_id
            ),
            customer=2,
        ),
    ),
)
