"""What placing an order writes besides the stock, whichever session writes it."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from fastapi import HTTPException

from tests.benchmarks.usual import models
from tests.benchmarks.usual.models import (
    HAS_NOTIFICATIONS,
    IdempotencyKey,
    Order,
    OrderLine,
    OutboxEvent,
    Product,
    StockMovement,
    User,
    now,
)
from tests.benchmarks.usual.schemas import OrderIn, OrderOut, amount

PATH = "/v1/orders"


def take(product: Product | None, quantity: int) -> Product:
    """Out of stock, or a 404 or 409."""
    if product is None or not product.is_active:
        raise HTTPException(404, "Product not found")
    if product.stock < quantity:
        raise HTTPException(409, f"Not enough stock of {product.sku}")
    product.stock -= quantity
    product.version += 1
    product.updated_at = now()
    return product


def new_order(user: User, taken: Sequence[tuple[Product, int]]) -> Order:
    lines = [
        OrderLine(
            position=position,
            product_id=product.id,
            sku=product.sku,
            name=product.name,
            unit_price_minor=product.price_minor,
            currency=product.price_currency,
            quantity=quantity,
        )
        for position, (product, quantity) in enumerate(taken, start=1)
    ]
    return Order(
        id=uuid4(),
        number=f"ORD-{now():%Y%m%d}-{secrets.token_hex(5).upper()}",
        customer_id=user.id,
        total_minor=sum(line.unit_price_minor * line.quantity for line in lines),
        currency=lines[0].currency,
        shipping_address=None,
        items=lines,
    )


def told(order: Order, user: User, taken: Sequence[tuple[Product, int]]) -> Iterator[models.Base]:
    """The rows that tell of the order."""
    for product, quantity in taken:
        yield StockMovement(
            product_id=product.id,
            change=-quantity,
            stock_after=product.stock,
            actor_id=user.id,
            order_id=order.id,
        )
    total = amount(order.total_minor, order.currency).model_dump()
    yield OutboxEvent(
        type="order.placed",
        aggregate_id=order.id,
        sequence=1,
        payload={
            "order_id": str(order.id),
            "actor_id": str(user.id),
            "request_id": None,
            "number": order.number,
            "customer_id": str(user.id),
            "total": total,
            "items": [
                {"product_id": str(product.id), "sku": product.sku, "quantity": quantity}
                for product, quantity in taken
            ],
        },
    )
    if HAS_NOTIFICATIONS:
        yield models.Notification(
            user_id=user.id,
            order_id=order.id,
            message=f"Order {order.number} was placed: {len(taken)} items, {total['amount']}.",
        )


def kept(user: User, key: str, body: OrderIn, order: Order) -> IdempotencyKey:
    """The answer, for whoever sends the same again."""
    return IdempotencyKey(
        caller_id=user.id,
        method="POST",
        path=PATH,
        key=key,
        expires_at=now() + timedelta(hours=24),
        request_hash=sha256(body.model_dump_json().encode()).digest(),
        status=201,
        headers=[["content-type", "application/json"]],
        body=OrderOut.model_validate(order).model_dump_json().encode(),
    )


def identity(user: User, key: str) -> tuple[Any, ...]:
    return user.id, "POST", PATH, key
