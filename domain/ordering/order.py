import base64
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NewType, Self
from uuid import UUID

from domain.catalog.product import InsufficientStock, Product, ProductId, Sku
from domain.catalog.stock import REASON_LENGTH, Because, Cause
from domain.identity.user import UserId
from domain.ordering.address import Address
from domain.ordering.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderShipped,
    Quantity,
)
from domain.ordering.status import OrderStatus
from domain.shared import text
from domain.shared.aggregate import Aggregate
from domain.shared.author import Author
from domain.shared.errors import Conflict, InvalidValue, NotFound, RuleBroken
from domain.shared.ids import new_id
from domain.shared.money import Currency, CurrencyMismatch, Money, OtherCurrency

OrderId = NewType("OrderId", UUID)
OrderNumber = NewType("OrderNumber", str)

MOST_LINES: Final = 500
LARGEST_QUANTITY: Final = 1_000_000
LARGEST_TOTAL: Final = 999_999_999_999_999  # minor units; sums of many orders stay within 64 bits
NUMBER_LENGTH: Final = 30
NOTE_LENGTH: Final = 2_000
TRACKING_NUMBER_LENGTH: Final = 100

_RFC_4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans(_RFC_4648, _CROCKFORD)


class OrderNotFound(NotFound):
    code = "order-not-found"

    def __init__(self) -> None:
        super().__init__("there is no such order")


class ProductUnavailable(Conflict):
    code = "product-unavailable"

    def __init__(self, products: Iterable[Product]) -> None:
        found = [{"product_id": product.id, "sku": product.sku} for product in products]
        super().__init__("not everything asked for is on sale", products=found)


class PriceChanged(Conflict):
    code = "price-changed"

    def __init__(self, expected: Money, total: Money) -> None:
        super().__init__(
            f"the total is {total}, not {expected}", expected_total=expected, total=total
        )


class OrderIsCancelled(Conflict):
    code = "order-cancelled"

    def __init__(self) -> None:
        super().__init__("a cancelled order is not paid any more")


class Overpayment(Conflict):
    code = "overpayment"

    def __init__(self, due: Money) -> None:
        super().__init__(f"only {due} is due" if due.minor else "nothing is due any more", due=due)


class OrderTooLarge(RuleBroken):
    code = "order-too-large"

    def __init__(self, currency: Currency) -> None:
        largest = Money(LARGEST_TOTAL, currency)
        super().__init__(f"no order comes to more than {largest}", largest=largest)


@dataclass(eq=False, kw_only=True)
class OrderLine:
    """One product of an order, with its name and price as they were when it was placed."""

    id: UUID
    position: int
    product_id: ProductId
    sku: Sku
    name: str
    unit_price: Money
    quantity: int

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity


@dataclass(eq=False, kw_only=True)
class Order(Aggregate):
    """
    What somebody wants of the shop, at the prices of the day, and how far it has come.

    Of its total, `covered` is what payments cover, those under way included; `paid` is what came in
    and `refunded` what went back, ever.
    """

    number: OrderNumber
    customer_id: UserId
    status: OrderStatus
    lines: list[OrderLine] = field(repr=False)
    total: Money
    paid: Money
    refunded: Money
    covered: Money
    shipping_address: Address | None = None
    note: str | None = None
    tracking_number: str | None = None
    placed_at: datetime
    updated_at: datetime

    @classmethod
    def place(
        cls,
        *,
        number: OrderNumber,
        customer_id: UserId,
        wanted: Mapping[ProductId, int],
        products: Mapping[ProductId, Product],
        expected_total: Money | None = None,
        shipping_address: Address | None = None,
        note: str | None = None,
        by: Author,
        at: datetime,
    ) -> Self:
        """
        Take everything that is wanted from stock, or nothing.

        `wanted` holds the quantity of each product, `products` at least those. Every product that
        is short is named in the one InsufficientStock.
        """
        if note is not None:
            text.text("note", note, longest=NOTE_LENGTH)
        basket = {products[id]: quantity for id, quantity in wanted.items()}
        if off_sale := [product for product in basket if not product.is_active]:
            raise ProductUnavailable(off_sale)
        total = _total(basket)
        if expected_total is not None and expected_total != total:
            raise PriceChanged(expected_total, total)
        shortages = (product.shortage(quantity) for product, quantity in basket.items())
        if short := [shortage for shortage in shortages if shortage]:
            raise InsufficientStock(*short)
        id = new_id(at)
        ordered = Because(Cause.ORDER, by.actor_id, order_id=id)
        for product, quantity in basket.items():
            product.take(quantity, ordered, at=at)
        order = cls(
            id=id,
            number=number,
            customer_id=customer_id,
            status=OrderStatus.PENDING,
            lines=[
                OrderLine(
                    id=new_id(at),
                    position=position,
                    product_id=ProductId(product.id),
                    sku=product.sku,
                    name=product.name,
                    unit_price=product.price,
                    quantity=quantity,
                )
                for position, (product, quantity) in enumerate(basket.items(), start=1)
            ],
            total=total,
            paid=Money(0, total.currency),
            refunded=Money(0, total.currency),
            covered=Money(0, total.currency),
            shipping_address=shipping_address,
            note=note,
            placed_at=at,
            updated_at=at,
        )
        order.record(
            OrderPlaced(
                number=number,
                customer_id=customer_id,
                total=total,
                items=order.quantities,
                **order.signed(by, at),
            )
        )
        return order

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return tuple(
            Quantity(product_id=line.product_id, sku=line.sku, quantity=line.quantity)
            for line in self.lines
        )

    def confirm(self, reason: str | None = None, *, by: Author, at: datetime) -> None:
        moved = self._move(OrderStatus.CONFIRMED, reason, by=by, at=at)
        self.record(OrderConfirmed(**moved))

    def ship(
        self,
        reason: str | None = None,
        *,
        tracking_number: str | None = None,
        by: Author,
        at: datetime,
    ) -> None:
        if tracking_number is not None:
            text.line("tracking_number", tracking_number, longest=TRACKING_NUMBER_LENGTH)
        moved = self._move(OrderStatus.SHIPPED, reason, by=by, at=at)
        self.tracking_number = tracking_number
        self.record(OrderShipped(tracking_number=tracking_number, **moved))

    def deliver(self, reason: str | None = None, *, by: Author, at: datetime) -> None:
        moved = self._move(OrderStatus.DELIVERED, reason, by=by, at=at)
        self.record(OrderDelivered(**moved))

    def cancel(
        self,
        products: Mapping[ProductId, Product],
        reason: str | None = None,
        *,
        by: Author,
        at: datetime,
    ) -> None:
        """Put everything back into stock, once: a second time is an InvalidTransition."""
        moved = self._move(OrderStatus.CANCELLED, reason, by=by, at=at)
        cancelled = Because(Cause.CANCELLATION, by.actor_id, reason, order_id=self.id)
        for line in self.lines:
            products[line.product_id].put_back(line.quantity, cancelled, at=at)
        self.record(OrderCancelled(items=self.quantities, **moved))

    def claim(self, amount: Money | None, *, at: datetime) -> Money:
        """
        Set aside what a payment is to cover: the amount, or all that is due where none is named.

        Raises OrderIsCancelled, Overpayment, CurrencyMismatch or InvalidValue.
        """
        if amount is not None:
            self.check_amount(amount)
        if self.status is OrderStatus.CANCELLED:
            raise OrderIsCancelled
        if self.due.minor == 0 or (amount is not None and amount > self.due):
            raise Overpayment(self.due)
        amount = amount or self.due
        self.covered += amount
        self.updated_at = at
        return amount

    def unclaim(self, amount: Money, *, at: datetime) -> None:
        """The payment that was to cover this will not come."""
        self.covered -= amount
        self.updated_at = at

    def receive(self, amount: Money, *, at: datetime) -> None:
        """What was claimed is here."""
        self.paid += amount
        self.updated_at = at

    def give_back(self, amount: Money, *, at: datetime) -> None:
        """What was paid goes back; before the order is confirmed, it is then due again."""
        self.refunded += amount
        if self.status is OrderStatus.PENDING:
            self.covered -= amount
        self.updated_at = at

    @property
    def currency(self) -> Currency:
        return self.total.currency

    @property
    def due(self) -> Money:
        """What somebody has yet to pay, payments under way not counted."""
        if self.status is OrderStatus.CANCELLED:
            return Money(0, self.currency)
        return self.total - self.covered

    @property
    def is_unpaid(self) -> bool:
        """Whether it waits for money of which nothing has come, nor is on its way."""
        return self.status is OrderStatus.PENDING and self.due == self.total and self.due.minor > 0

    @property
    def is_settled(self) -> bool:
        """Whether the shop has the whole of its money."""
        return self.paid - self.refunded == self.total

    def check_amount(self, amount: Money) -> None:
        """More than nothing, in the order's own currency, or CurrencyMismatch or InvalidValue."""
        if amount.currency != self.currency:
            raise OtherCurrency("amount.currency", amount.currency, self.currency)
        if amount.minor <= 0:
            raise InvalidValue("amount", "is not more than zero")

    def signed(self, by: Author, at: datetime) -> dict[str, Any]:
        """What each event of this order says."""
        return {
            "order_id": self.id,
            "actor_id": by.actor_id,
            "request_id": by.request_id,
            "at": at,
        }

    def _move(
        self, target: OrderStatus, reason: str | None, *, by: Author, at: datetime
    ) -> dict[str, Any]:
        """Go there, if the table leads there; what the event of it says."""
        if reason is not None:
            text.text("reason", reason, longest=REASON_LENGTH)
        previous, self.status = self.status, self.status.to(target)
        self.updated_at = at
        return {"previous": previous.value, "reason": reason, **self.signed(by, at)}


def new_number(at: datetime) -> OrderNumber:
    """ORD-YYYYMMDD- and 40 random bits in the base 32 of Douglas Crockford."""
    tail = base64.b32encode(secrets.token_bytes(5)).decode("ascii").translate(_TO_CROCKFORD)
    return OrderNumber(f"ORD-{at:%Y%m%d}-{tail}")


def summed(lines: Sequence[tuple[ProductId, int]]) -> dict[ProductId, int]:
    """Lines of the same product as one, in the order of their first mention."""
    if not 1 <= len(lines) <= MOST_LINES:
        raise InvalidValue("items", f"is not 1 to {MOST_LINES} lines")
    wanted: dict[ProductId, int] = {}
    for product_id, quantity in lines:
        if not 1 <= quantity <= LARGEST_QUANTITY:
            raise InvalidValue("quantity", f"is not 1 to {LARGEST_QUANTITY}")
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    return wanted


def _total(basket: Mapping[Product, int]) -> Money:
    currencies = {product.price.currency for product in basket}
    if len(currencies) > 1:
        raise CurrencyMismatch(*currencies)
    [currency] = currencies
    total = sum(
        (product.price * quantity for product, quantity in basket.items()),
        start=Money(0, currency),
    )
    if total.minor > LARGEST_TOTAL:
        raise OrderTooLarge(currency)
    return total
