"""What Python can do at best: bare ASGI, one statement of asyncpg, one encoder."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import asyncpg
import jwt
import msgspec

from tests.benchmarks.limit.statements import ORDER, PRODUCT, PRODUCTS_IN, PRODUCTS_WITH, one_order

CONNECTIONS: Final = 16

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_place: Final = one_order(with_notification=os.environ.get("LIMIT_NOTIFICATIONS") == "1")
_secret: Final = os.environ["LIMIT_SECRET"]
_free: asyncio.LifoQueue[asyncpg.Connection] = asyncio.LifoQueue()

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    status, body = await _answer(scope, receive)
    length = b"%d" % len(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    dsn = os.environ["LIMIT_DSN"]
    for _ in range(CONNECTIONS):
        _free.put_nowait(await asyncpg.connect(dsn))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    while not _free.empty():
        await _free.get_nowait().close()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(scope: Mapping[str, Any], receive: Receive) -> tuple[int, bytes]:
    path: str = scope["path"]
    if path == "/readyz":
        return 200, b"{}"
    if scope["method"] == "POST":
        return await _order(scope, (await receive())["body"])
    if path.startswith("/v1/products/"):
        [row] = await _rows(PRODUCT, UUID(path[13:]))
        return 200, _encode(product(row))
    if path == "/v1/products":
        asked = parse_qs(scope["query_string"].decode("ascii"))
        limit = int(asked["limit"][0])
        if "category" in asked:
            rows = await _rows(PRODUCTS_IN, asked["category"][0], limit)
        else:
            rows = await _rows(PRODUCTS_WITH, asked["q"][0], limit)
        return 200, _encode({"items": [product(row) for row in rows]})
    rows = await _rows(ORDER, UUID(path[11:]), _caller(scope))
    return 200, _encode(order(rows))


async def _rows(statement: str, *arguments: object) -> Sequence[Any]:
    connection = await _free.get()
    try:
        rows: Sequence[Any] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        _free.put_nowait(connection)


def product(row: Any) -> dict[str, Any]:
    found = dict(row)
    found["price"] = _money(found.pop("price_minor"), found.pop("price_currency"))
    found["tags"] = msgspec.Raw(found["tags"].encode())
    found["metadata"] = msgspec.Raw(found["metadata"].encode())
    id, name, slug = found["category_id"], found.pop("category_name"), found.pop("category_slug")
    found["category"] = None if id is None else {"id": id, "name": name, "slug": slug}
    return found


def order(rows: Sequence[Any]) -> dict[str, Any]:
    first = rows[0]
    currency = first["currency"]
    items = [
        {
            "id": row["line_id"],
            "product_id": row["product_id"],
            "sku": row["sku"],
            "name": row["name"],
            "unit_price": _money(row["unit_price_minor"], currency),
            "quantity": row["quantity"],
            "line_total": _money(row["unit_price_minor"] * row["quantity"], currency),
        }
        for row in rows
    ]
    return {
        "id": first["id"],
        "number": first["number"],
        "status": first["status"],
        "customer_id": first["customer_id"],
        "total": _money(first["total_minor"], currency),
        "paid": _money(first["paid_minor"], currency),
        "refunded": _money(first["refunded_minor"], currency),
        "shipping_address": first["shipping_address"],
        "note": first["note"],
        "tracking_number": first["tracking_number"],
        "placed_at": first["placed_at"],
        "updated_at": first["updated_at"],
        "version": first["version"],
        "items": items,
    }


async def _order(scope: Mapping[str, Any], sent: bytes) -> tuple[int, bytes]:
    caller, key = _caller(scope), _header(scope, b"idempotency-key").decode("ascii")
    items = _decode(sent)["items"]
    at = datetime.now(UTC)
    id, number = uuid4(), f"ORD-{at:%Y%m%d}-{secrets.token_hex(5).upper()}"
    rows = await _rows(
        _place,
        [item["sku"] for item in items],
        [item["quantity"] for item in items],
        id,
        number,
        caller,
        at,
        key,
        at + timedelta(hours=24),
        b"hash of the request",
        b"body of the answer",
    )
    if not rows:
        return 409, b'{"code":"insufficient-stock"}'
    placed = {
        "id": id,
        "number": number,
        "status": "pending",
        "customer_id": caller,
        "placed_at": at,
        "items": [
            {"product_id": row["id"], "sku": row["sku"], "quantity": row["quantity"]}
            for row in rows
        ],
    }
    return 201, _encode(placed)


def _caller(scope: Mapping[str, Any]) -> UUID:
    token = _header(scope, b"authorization")[7:]
    claims = jwt.decode(token, _secret, algorithms=["HS256"], audience="tradepost")
    return UUID(claims["sub"])


def _header(scope: Mapping[str, Any], name: bytes) -> bytes:
    return next(bytes(value) for known, value in scope["headers"] if known == name)


def _money(minor: int, currency: str) -> dict[str, str]:
    return {"amount": f"{minor // 100}.{minor % 100:02}", "currency": currency}
