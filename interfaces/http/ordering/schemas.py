from dataclasses import asdict
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from application.identity.actor import Actor
from application.ordering.checkout import BasketLine
from application.ordering.fulfilment import Action, actions
from application.ordering.queries import OrderDetails, OrderItem, OrderSummary
from domain.catalog.product import ProductId, Sku
from domain.catalog.stock import REASON_LENGTH
from domain.ordering.address import (
    ADDRESS_LINE_LENGTH,
    COUNTRIES,
    POSTAL_CODE_LENGTH,
    Address,
)
from domain.ordering.order import (
    LARGEST_QUANTITY,
    MOST_LINES,
    NOTE_LENGTH,
    TRACKING_NUMBER_LENGTH,
)
from interfaces.http.catalog.schemas import SkuText
from interfaces.http.schemas import (
    ABSENT,
    Body,
    FreeText,
    Id,
    Line,
    MoneyIn,
    MoneyOut,
    Timestamp,
    View,
    wrong,
)

StatusText = Literal["pending", "confirmed", "shipped", "delivered", "cancelled"]
AddressLine = Annotated[str, Line(ADDRESS_LINE_LENGTH)]


class ItemIn(Body):
    """So many of the product of this id, or of this sku."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["product_id"]}, {"required": ["sku"]}]}
    )

    product_id: Id = ABSENT
    sku: SkuText = ABSENT
    quantity: Annotated[int, Field(ge=1, le=LARGEST_QUANTITY)]

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if len({"product_id", "sku"} & self.model_fields_set) != 1:
            raise wrong("is to have either a product_id or a sku")
        return self

    def line(self) -> BasketLine:
        by_id = "product_id" in self.model_fields_set
        return BasketLine(ProductId(self.product_id) if by_id else Sku(self.sku), self.quantity)


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise wrong("is no country of ISO 3166-1 alpha-2")
    return code


class AddressIn(Body):
    name: AddressLine
    line1: AddressLine
    line2: AddressLine | None = None
    city: AddressLine
    region: AddressLine | None = None
    postal_code: Annotated[str, Line(POSTAL_CODE_LENGTH)] | None = None
    country: Annotated[
        str,
        AfterValidator(_country),
        WithJsonSchema({"type": "string", "enum": sorted(COUNTRIES), "examples": ["DE"]}),
    ]

    def address(self) -> Address:
        return Address(**dict(self))


class PlaceOrder(Body):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [{"sku": "MUG-1", "quantity": 2}],
                    "expected_total": {"amount": "15.98", "currency": "USD"},
                }
            ]
        }
    )

    items: Annotated[list[ItemIn], Field(min_length=1, max_length=MOST_LINES)]
    shipping_address: AddressIn | None = None
    note: Annotated[str, FreeText(NOTE_LENGTH)] | None = None
    customer_id: Id | None = None
    expected_total: MoneyIn | None = None

    def basket(self) -> list[BasketLine]:
        return [item.line() for item in self.items]

    def terms(self) -> dict[str, Any]:
        """What was said beside the basket."""
        return {
            "customer_id": self.customer_id,
            "expected_total": self.expected_total and self.expected_total.amount,
            "shipping_address": self.shipping_address and self.shipping_address.address(),
            "note": self.note,
        }


class MoveOrder(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"to": "shipped", "tracking_number": "1Z999AA10123456784"}]}
    )

    to: Literal["confirmed", "shipped", "delivered", "cancelled"]
    reason: Annotated[str, FreeText(REASON_LENGTH)] | None = None
    tracking_number: Annotated[str, Line(TRACKING_NUMBER_LENGTH)] | None = None


class ItemOut(View):
    id: UUID
    product_id: UUID
    sku: str
    name: str
    unit_price: MoneyOut
    quantity: int
    line_total: MoneyOut

    @classmethod
    def of(cls, item: OrderItem) -> Self:
        return cls(
            id=item.id,
            product_id=item.product_id,
            sku=item.sku,
            name=item.name,
            unit_price=MoneyOut.of(item.unit_price),
            quantity=item.quantity,
            line_total=MoneyOut.of(item.line_total),
        )


class AddressOut(View):
    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postal_code: str | None
    country: str


class ActionOut(View):
    to: StatusText
    allowed: bool
    reason: str | None

    @classmethod
    def of(cls, action: Action) -> Self:
        return cls(to=action.to.value, allowed=action.allowed, reason=action.reason)


class OrderRow(View):
    """An order in a list: without its items."""

    id: UUID
    number: str = Field(examples=["ORD-20261121-7Q2M4XKD"])
    status: StatusText
    customer_id: UUID
    total: MoneyOut
    paid: MoneyOut = Field(description="what came in, ever")
    refunded: MoneyOut = Field(description="what of it went back")
    shipping_address: AddressOut | None
    note: str | None
    tracking_number: str | None
    placed_at: Timestamp
    updated_at: Timestamp
    version: int
    actions: list[ActionOut] = Field(description="what the one who asks may do next")


class OrderOut(OrderRow):
    items: list[ItemOut]


def order_row(order: OrderSummary, actor: Actor) -> OrderRow:
    """The order as this actor sees it in a list."""
    return OrderRow(**_head(order, actor))


def order_out(order: OrderDetails, actor: Actor) -> OrderOut:
    """The order as this actor sees it."""
    return OrderOut(**_head(order, actor), items=[ItemOut.of(item) for item in order.items])


def _head(order: OrderSummary, actor: Actor) -> dict[str, Any]:
    address = order.shipping_address
    return {
        "id": order.id,
        "number": order.number,
        "status": order.status.value,
        "customer_id": order.customer_id,
        "total": MoneyOut.of(order.total),
        "paid": MoneyOut.of(order.paid),
        "refunded": MoneyOut.of(order.refunded),
        "shipping_address": AddressOut(**asdict(address)) if address else None,
        "note": order.note,
        "tracking_number": order.tracking_number,
        "placed_at": order.placed_at,
        "updated_at": order.updated_at,
        "version": order.version,
        "actions": [ActionOut.of(action) for action in actions(actor, order.status)],
    }
