"""What breaks each check, done by hand, past everything that would have refused it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Executable, Table, delete, insert, select, update

from application.auditing import checks
from application.auditing.queries import Check
from application.shared.outbox import OutboxEntry
from domain.accounts.account import Account
from domain.accounts.transfer import Entry, Transfer
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import Product
from domain.catalog.stock import Cause, StockMovement
from domain.identity.user import UserId
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import Payment, PaymentMethod, PaymentStatus
from domain.ordering.refund import Refund, RefundPart
from domain.ordering.status import OrderStatus
from domain.shared.aggregate import Aggregate
from domain.shared.money import Currency, Money
from infrastructure.memory.database import MemoryDatabase
from infrastructure.sql.accounts.mapping import accounts, entries
from infrastructure.sql.catalog.mapping import (
    categories,
    product_tags,
    products,
    stock_movements,
)
from infrastructure.sql.catalog.search import product_search
from infrastructure.sql.idempotency import idempotency_keys
from infrastructure.sql.ordering.mapping import order_lines, orders, payments, refund_parts
from infrastructure.sql.outbox import outbox
from tests.builders import BY_HAND, NOON, gbp
from tests.contract.lived import GBP, KEY, Lived

A = TypeVar("A", bound=Aggregate)

GHOST: Final = UUID(int=99)
MARKED: Final = UUID(int=77)
USD: Final = Currency.of("USD")
AN_HOUR: Final = timedelta(hours=1)

InSql = Callable[[Lived], Executable | Sequence[Executable]]
InMemory = Callable[[MemoryDatabase, Lived], object]


@dataclass(frozen=True, slots=True)
class Breach:
    """
    Something that was done to a shop that had lived.

    Exactly this check complains, in these words among others, of exactly these: names of what there
    is in the shop, or else what they are known by. Without `memory` it cannot be done there.
    """

    deed: str
    check: Check
    offenders: Sequence[str]
    what: str
    sql: InSql
    memory: InMemory | None

    def __str__(self) -> str:
        return self.deed.replace(" ", "_")

    def expected(self, shop: Lived) -> set[str]:
        return {str(shop.ids.get(name, name)) for name in self.offenders}


def _set(table: Table, name: str, **values: Any) -> InSql:
    return lambda shop: update(table).where(table.c.id == shop[name]).values(**values)


def _stored(database: MemoryDatabase, kind: type[A], id: UUID) -> A:
    found = database.get(kind, id)
    assert found is not None
    return found


def _assign(kind: type[A], name: str, **values: Any) -> InMemory:
    def assign(database: MemoryDatabase, shop: Lived) -> None:
        for attribute, value in values.items():
            setattr(_stored(database, kind, shop[name]), attribute, value)

    return assign


def _more(money: Money) -> Money:
    return Money(money.minor + 1, money.currency)


def _restock(stock: int) -> InMemory:
    def restock(database: MemoryDatabase, shop: Lived) -> None:
        _stored(database, Product, shop["jar"]).stock = stock
        database.movements.append(
            StockMovement.of(shop["jar"], stock, stock_after=stock, because=BY_HAND, at=NOON)
        )

    return restock


def _restocked(stock: int) -> InSql:
    return lambda shop: [
        update(products).where(products.c.id == shop["jar"]).values(stock=stock),
        insert(stock_movements).values(
            id=MARKED,
            product_id=shop["jar"],
            change=stock,
            stock_after=stock,
            cause=Cause.ADJUSTMENT,
            actor_id=GHOST,
            at=NOON,
        ),
    ]


def _change_movements(which: Callable[[StockMovement, Lived], bool], **changes: Any) -> InMemory:
    """Each change is of the movement or, where that has none of the name, of its reason."""
    of_because = {name: changes.pop(name) for name in [*changes] if name == "order_id"}

    def change(database: MemoryDatabase, shop: Lived) -> None:
        database.movements[:] = [
            replace(one, **changes, because=replace(one.because, **of_because))
            if which(one, shop)
            else one
            for one in database.movements
        ]

    return change


def _change_events(change: Callable[[OutboxEntry, Lived], Iterable[OutboxEntry]]) -> InMemory:
    def apply(database: MemoryDatabase, shop: Lived) -> None:
        database.outbox[:] = [new for one in database.outbox for new in change(one, shop)]

    return apply


def _line_moved(database: MemoryDatabase, shop: Lived) -> None:
    _stored(database, Order, shop["pending"]).lines[0].position = 7


def _line_in_dollars(database: MemoryDatabase, shop: Lived) -> None:
    for line in _stored(database, Order, shop["pending"]).lines:
        line.unit_price = Money(line.unit_price.minor, USD)


def _total_raised(database: MemoryDatabase, shop: Lived) -> None:
    order = _stored(database, Order, shop["pending"])
    order.total = _more(order.total)


def _balance_raised(database: MemoryDatabase, shop: Lived) -> None:
    account = _stored(database, Account, shop["purse"])
    account.balance = _more(account.balance)


def _account_in_dollars(database: MemoryDatabase, shop: Lived) -> None:
    account = _stored(database, Account, shop["purse"])
    account.balance = Money(account.balance.minor, USD)


def _entries(database: MemoryDatabase, shop: Lived) -> list[Entry]:
    return _stored(database, Transfer, shop["transfer"]).entries


def _entry_out_of_place(database: MemoryDatabase, shop: Lived) -> None:
    _entries(database, shop)[0].position = 5


def _entry_left_more(database: MemoryDatabase, shop: Lived) -> None:
    entry = _entries(database, shop)[0]
    entry.balance_after = _more(entry.balance_after)


def _paid_twice(database: MemoryDatabase, shop: Lived) -> None:
    order = _stored(database, Order, shop["half"])
    order.paid, order.covered = gbp("8.40"), gbp("8.30")
    database.rows[Payment][MARKED] = Payment(
        id=MARKED,
        version=1,
        order_id=OrderId(order.id),
        method=PaymentMethod.EXTERNAL,
        status=PaymentStatus.SUCCEEDED,
        amount=gbp("8"),
        refunded=gbp("0"),
        due_back=gbp("0"),
        reference=None,
        failure=None,
        transfer_id=None,
        actor_id=None,
        created_at=NOON,
        updated_at=NOON,
    )


def _part(database: MemoryDatabase, shop: Lived) -> RefundPart:
    parts = _stored(database, Refund, shop["refund"]).parts
    return next(part for part in parts if part.id == shop["credit back"])


def _told_of_nothing(database: MemoryDatabase, shop: Lived) -> None:
    database.outbox.append(replace(database.outbox[0], aggregate_id=GHOST, sequence=1))


def _is(one: OutboxEntry, id: UUID, sequence: int) -> bool:
    return (one.aggregate_id, one.sequence) == (id, sequence)


def _event(id: UUID, sequence: int) -> Any:
    return (outbox.c.aggregate_id == id) & (outbox.c.sequence == sequence)


BREACHES: Final = (
    Breach(
        "more is paid than came",
        checks.PAID,
        ["half"],
        "was paid 41 GBP, and payments came to 40 GBP",
        _set(orders, "half", paid_minor=41),
        _assign(Order, "half", paid=gbp("0.41")),
    ),
    Breach(
        "less has gone back than went",
        checks.REFUNDED,
        ["paid"],
        "has given back 449 GBP, and refunds of 450 GBP",
        _set(orders, "paid", refunded_minor=449),
        _assign(Order, "paid", refunded=gbp("4.49")),
    ),
    Breach(
        "a pending order counts what went back as covered",
        checks.COVERED,
        ["half"],
        "has 40 covered, with payments of 40, and 10 gone back",
        _set(orders, "half", covered_minor=40),
        _assign(Order, "half", covered=gbp("0.40")),
    ),
    Breach(
        "an order waits for money that is on its way",
        checks.COVERED,
        ["asked"],
        "has 0 covered, with payments of 100, and 0 gone back",
        _set(orders, "asked", covered_minor=0),
        _assign(Order, "asked", covered=gbp("0")),
    ),
    Breach(
        "a payment that failed covers something",
        checks.COVERED,
        ["declined"],
        "has 100 covered, with payments of 0, and 0 gone back",
        _set(orders, "declined", covered_minor=100),
        _assign(Order, "declined", covered=gbp("1")),
    ),
    Breach(
        "an order is paid twice",
        checks.OVERPAID,
        ["half"],
        "of 500 was paid 840, has given back 10, and has 830 covered",
        lambda shop: [
            update(orders)
            .where(orders.c.id == shop["half"])
            .values(paid_minor=840, covered_minor=830),
            insert(payments).values(
                id=MARKED,
                version=1,
                sequence=0,
                order_id=shop["half"],
                method=PaymentMethod.EXTERNAL,
                status=PaymentStatus.SUCCEEDED,
                amount_minor=800,
                refunded_minor=0,
                due_back_minor=0,
                currency=GBP,
                created_at=NOON,
                updated_at=NOON,
            ),
        ],
        _paid_twice,
    ),
    Breach(
        "a part of a refund loses its place",
        checks.PARTS,
        ["refund"],
        "is of 450, with 2 parts that add up to 450",
        lambda shop: (
            update(refund_parts).where(refund_parts.c.id == shop["credit back"]).values(position=7)
        ),
        lambda database, shop: setattr(_part(database, shop), "position", 7),
    ),
    Breach(
        "a payment gives back what no refund does",
        checks.RETURNED,
        ["credit of half"],
        "has given back 11, and parts of 10; 0 is due back",
        _set(payments, "credit of half", refunded_minor=11),
        _assign(Payment, "credit of half", refunded=gbp("0.11")),
    ),
    Breach(
        "money is due back of an order that nobody cancelled",
        checks.RETURNED,
        ["cash of paid"],
        "1 is due back",
        _set(payments, "cash of paid", due_back_minor=1),
        _assign(Payment, "cash of paid", due_back=gbp("0.01")),
    ),
    Breach(
        "a payment is not what was transferred",
        checks.CREDIT,
        ["credit of half"],
        "is one of the payments that have not such a transfer",
        _set(payments, "credit of half", transfer_id=None),
        _assign(Payment, "credit of half", transfer_id=None),
    ),
    Breach(
        "a payment is a transfer the other way",
        checks.CREDIT,
        ["credit of half"],
        "is one of the payments that have not such a transfer",
        lambda shop: (
            update(payments)
            .where(payments.c.id == shop["credit of half"])
            .values(transfer_id=shop["deposit"])
        ),
        lambda database, shop: setattr(
            _stored(database, Payment, shop["credit of half"]), "transfer_id", shop["deposit"]
        ),
    ),
    Breach(
        "what came from outside has a transfer",
        checks.CREDIT,
        ["cash of paid"],
        "is one of the payments that have not such a transfer",
        lambda shop: (
            update(payments)
            .where(payments.c.id == shop["cash of paid"])
            .values(transfer_id=shop["deposit"])
        ),
        lambda database, shop: setattr(
            _stored(database, Payment, shop["cash of paid"]), "transfer_id", shop["deposit"]
        ),
    ),
    Breach(
        "one transfer serves twice",
        checks.CREDIT,
        ["credit of half", "credit back"],
        "that have not such a transfer",
        lambda shop: (
            update(refund_parts)
            .where(refund_parts.c.id == shop["credit back"])
            .values(
                transfer_id=select(payments.c.transfer_id)
                .where(payments.c.id == shop["credit of half"])
                .scalar_subquery()
            )
        ),
        lambda database, shop: setattr(
            _part(database, shop),
            "transfer_id",
            _stored(database, Payment, shop["credit of half"]).transfer_id,
        ),
    ),
    Breach(
        "stock is written up",
        checks.STOCK,
        ["jar"],
        "has 1 in stock, and movements that add up to 0",
        _set(products, "jar", stock=1),
        _assign(Product, "jar", stock=1),
    ),
    Breach(
        "more is taken than there is",
        checks.SHORTAGE,
        ["jar"],
        "has -1 in stock",
        _restocked(-1),
        _restock(-1),
    ),
    Breach(
        "a category is put below its own child",
        checks.CATEGORIES,
        ["kitchen", "mugs", "cups"],
        "is in a circle, or too deep",
        lambda shop: (
            update(categories)
            .where(categories.c.id == shop["kitchen"])
            .values(parent_id=shop["mugs"])
        ),
        lambda database, shop: setattr(
            _stored(database, Category, shop["kitchen"]), "parent_id", CategoryId(shop["mugs"])
        ),
    ),
    Breach(
        "a category is put below itself",
        checks.CATEGORIES,
        ["garden"],
        "is in a circle, or too deep",
        lambda shop: (
            update(categories)
            .where(categories.c.id == shop["garden"])
            .values(parent_id=categories.c.id)
        ),
        lambda database, shop: setattr(
            _stored(database, Category, shop["garden"]), "parent_id", CategoryId(shop["garden"])
        ),
    ),
    Breach(
        "a product loses its words",
        checks.INDEX,
        ["pot"],
        "by its words",
        lambda shop: delete(product_search).where(product_search.c.product_id == shop["pot"]),
        None,
    ),
    Breach(
        "a product gets the words of another",
        checks.INDEX,
        ["pot", str(GHOST)],
        "by its words",
        lambda shop: (
            update(product_search)
            .where(product_search.c.product_id == shop["pot"])
            .values(product_id=GHOST)
        ),
        None,
    ),
    Breach(
        "a product loses a tag that it is found by",
        checks.INDEX,
        ["pot"],
        "by its tags",
        lambda shop: delete(product_tags).where(product_tags.c.product_id == shop["pot"]),
        None,
    ),
    Breach(
        "a product that is on sale is not counted by its tags",
        checks.INDEX,
        ["pot"],
        "by its tags",
        lambda shop: (
            update(product_tags)
            .where(product_tags.c.product_id == shop["pot"])
            .values(on_sale=~product_tags.c.on_sale)
        ),
        None,
    ),
    Breach(
        "a product is found by a tag that is not its own",
        checks.INDEX,
        ["pot"],
        "by its tags",
        lambda shop: (
            update(product_tags).where(product_tags.c.product_id == shop["pot"]).values(slug="new")
        ),
        None,
    ),
    Breach(
        "a line loses its place",
        checks.LINES,
        ["pending"],
        "has 2 lines, from 2 to 7, the smallest of 1",
        lambda shop: (
            update(order_lines)
            .where(order_lines.c.order_id == shop["pending"], order_lines.c.position == 1)
            .values(position=7)
        ),
        _line_moved,
    ),
    Breach(
        "a total is raised",
        checks.TOTALS,
        ["pending"],
        "has a total of 751 GBP, and lines of 750 GBP",
        lambda shop: (
            update(orders)
            .where(orders.c.id == shop["pending"])
            .values(total_minor=orders.c.total_minor + 1)
        ),
        _total_raised,
    ),
    Breach(
        "a line is in another currency",
        checks.TOTALS,
        ["pending"],
        "has a total of 750 GBP, and lines of 750 USD",
        lambda shop: (
            update(order_lines)
            .where(order_lines.c.order_id == shop["pending"])
            .values(currency=USD)
        ),
        _line_in_dollars,
    ),
    Breach(
        "an order has not taken one of its lines",
        checks.SOLD,
        ["pending"],
        "by 2",
        lambda shop: (
            update(stock_movements)
            .where(
                stock_movements.c.order_id == shop["pending"],
                stock_movements.c.product_id == shop["mug"],
            )
            .values(order_id=None)
        ),
        _change_movements(
            lambda one, shop: (
                (one.because.order_id, one.product_id) == (shop["pending"], shop["mug"])
            ),
            order_id=None,
        ),
    ),
    Breach(
        "a cancelled order has given nothing back",
        checks.SOLD,
        ["cancelled"],
        "by 3",
        lambda shop: (
            update(stock_movements)
            .where(
                stock_movements.c.order_id == shop["cancelled"],
                stock_movements.c.cause == Cause.CANCELLATION,
            )
            .values(order_id=None)
        ),
        _change_movements(
            lambda one, shop: (
                (one.because.order_id, one.because.cause) == (shop["cancelled"], Cause.CANCELLATION)
            ),
            order_id=None,
        ),
    ),
    Breach(
        "an order is somewhere that nobody brought it",
        checks.STATUS,
        ["delivered"],
        "is shipped, which is not where its history leads",
        _set(orders, "delivered", status=OrderStatus.SHIPPED),
        _assign(Order, "delivered", status=OrderStatus.SHIPPED),
    ),
    Breach(
        "an order went along no legal path",
        checks.STATUS,
        ["delivered"],
        "is delivered, which is not where its history leads",
        lambda shop: (
            update(outbox).where(_event(shop["delivered"], 2)).values(type="order.cancelled")
        ),
        _change_events(
            lambda one, shop: [
                replace(one, type="order.cancelled") if _is(one, shop["delivered"], 2) else one
            ]
        ),
    ),
    Breach(
        "an order was never placed",
        checks.STATUS,
        ["pending"],
        "is pending, which is not where its history leads",
        lambda shop: update(outbox).where(_event(shop["pending"], 1)).values(type="order.sold"),
        _change_events(
            lambda one, shop: [
                replace(one, type="order.sold") if _is(one, shop["pending"], 1) else one
            ]
        ),
    ),
    Breach(
        "a transfer has an entry too many in one place",
        checks.TRANSFERS,
        ["transfer"],
        "has 2 entries in 2 accounts and 1 currencies that add up to 0",
        lambda shop: update(entries).where(entries.c.id == shop["entry"]).values(position=5),
        _entry_out_of_place,
    ),
    Breach(
        "a balance is raised",
        checks.BALANCES,
        ["purse"],
        "has a balance of 501 GBP, and entries of 500 GBP",
        lambda shop: (
            update(accounts)
            .where(accounts.c.id == shop["purse"])
            .values(balance_minor=accounts.c.balance_minor + 1)
        ),
        _balance_raised,
    ),
    Breach(
        "an account changes its currency",
        checks.BALANCES,
        ["purse"],
        "has a balance of 500 USD, and entries of 500 GBP",
        _set(accounts, "purse", currency=USD),
        _account_in_dollars,
    ),
    Breach(
        "an entry leaves more than there was",
        checks.RUNNING,
        ["entry"],
        "leaves 501 where 500 is reached",
        lambda shop: (
            update(entries)
            .where(entries.c.id == shop["entry"])
            .values(balance_after_minor=entries.c.balance_after_minor + 1)
        ),
        _entry_left_more,
    ),
    Breach(
        "somebody becomes the house",
        checks.DEBTS,
        ["dollars of the house"],
        "owes -300, and is a customer's",
        lambda shop: (
            update(accounts)
            .where(accounts.c.id == shop["dollars of the house"])
            .values(owner_id=shop["bob"])
        ),
        lambda database, shop: setattr(
            _stored(database, Account, shop["dollars of the house"]),
            "owner_id",
            UserId(shop["bob"]),
        ),
    ),
    Breach(
        "an event is lost",
        checks.EVENTS,
        ["mug"],
        "has recorded 5, and has 4 events up to number 5",
        lambda shop: delete(outbox).where(_event(shop["mug"], 2)),
        _change_events(lambda one, shop: [] if _is(one, shop["mug"], 2) else [one]),
    ),
    Breach(
        "an event is told under another number",
        checks.EVENTS,
        ["mug"],
        "has recorded 5, and has 5 events up to number 7",
        lambda shop: update(outbox).where(_event(shop["mug"], 5)).values(sequence=7),
        _change_events(
            lambda one, shop: [replace(one, sequence=7) if _is(one, shop["mug"], 5) else one]
        ),
    ),
    Breach(
        "something is recorded that no event tells",
        checks.EVENTS,
        ["mug"],
        "has recorded 9, and has 5 events up to number 5",
        _set(products, "mug", sequence=9),
        _assign(Product, "mug", sequence=9),
    ),
    Breach(
        "an event tells of nothing",
        checks.TOLD,
        [str(GHOST)],
        "is not there, and the last of its 1 events, user.registered, has number 1",
        lambda _: insert(outbox).values(
            id=GHOST, type="user.registered", aggregate_id=GHOST, sequence=1, payload={}, at=NOON
        ),
        _told_of_nothing,
    ),
    Breach(
        "something is gone without a word",
        checks.TOLD,
        ["old"],
        "is not there, and the last of its 1 events, tag.created, has number 1",
        lambda shop: delete(outbox).where(_event(shop["old"], 2)),
        _change_events(lambda one, shop: [] if _is(one, shop["old"], 2) else [one]),
    ),
    Breach(
        "something is gone whose events are not whole",
        checks.TOLD,
        ["old"],
        "is not there, and the last of its 1 events, tag.deleted, has number 2",
        lambda shop: delete(outbox).where(_event(shop["old"], 1)),
        _change_events(lambda one, shop: [] if _is(one, shop["old"], 1) else [one]),
    ),
    Breach(
        "an order is nobody's",
        checks.REFERENCES,
        ["pending"],
        f"to {GHOST}, which is not there",
        _set(orders, "pending", customer_id=GHOST),
        _assign(Order, "pending", customer_id=UserId(GHOST)),
    ),
    Breach(
        "stock moved for an order that is not there",
        checks.REFERENCES,
        [str(MARKED)],
        f"to {GHOST}, which is not there",
        lambda shop: (
            update(stock_movements)
            .where(
                stock_movements.c.product_id == shop["mug"],
                stock_movements.c.cause == Cause.IMPORT,
            )
            .values(id=MARKED, order_id=GHOST)
        ),
        _change_movements(
            lambda one, shop: (one.product_id, one.because.cause) == (shop["mug"], Cause.IMPORT),
            id=MARKED,
            order_id=GHOST,
        ),
    ),
    Breach(
        "a product changes tomorrow",
        checks.TIMES,
        ["pot"],
        "updated_at is 2026-03-",
        lambda shop: (
            update(products)
            .where(products.c.id == shop["pot"])
            .values(updated_at=shop.now + AN_HOUR)
        ),
        lambda database, shop: setattr(
            _stored(database, Product, shop["pot"]), "updated_at", shop.now + AN_HOUR
        ),
    ),
    Breach(
        "an answer is lost",
        checks.ANSWERS,
        [KEY.key],
        "has none",
        lambda _: update(idempotency_keys).values(body=None),
        None,
    ),
)
