"""The service as its clients see it: calls over HTTP, tried again where that is safe."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import httpx

from tests.replay.answers import (
    CURRENCY,
    Figures,
    Json,
    Order,
    Payment,
    Product,
    Takings,
    UnexpectedAnswer,
    amount,
    total,
)

PAGE: Final = 100  # rows, as many as a list gives
TRIES: Final = 20
LONGEST_PAUSE: Final = 5.0  # seconds
INTERVALS: Final = ("day", "week", "month")


class Refused(Exception):
    """The service will not do it, for the reason that `code` names."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


@dataclass(slots=True)
class Timings:
    """How long each answered request to place an order took, and over what time they came."""

    seconds: list[float] = field(default_factory=list)
    first: float | None = None
    last: float = 0.0

    def record(self, started: float, ended: float) -> None:
        self.seconds.append(ended - started)
        self.first = started if self.first is None else min(self.first, started)
        self.last = max(self.last, ended)

    @property
    def per_second(self) -> float:
        return len(self.seconds) / (self.last - self.first) if self.first is not None else 0.0


@dataclass(slots=True)
class Shop:
    """A client of the service that is signed in as `username`."""

    http: httpx.AsyncClient
    username: str
    password: str
    placing: Timings = field(default_factory=Timings)
    sent_again: Counter[str] = field(default_factory=Counter)
    _token: str = ""
    _signing_in: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def import_products(self, lines: str, *, count: int) -> None:
        """All or none of so many products, of which there is none yet, a JSON object on a line."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "products"}
        answer = await self._send(
            "POST", "/v1/products/import", content=lines.encode(), headers=headers
        )
        if answer["created"] != count:
            raise UnexpectedAnswer(f"of {count} products {answer['created']} were made")

    async def register(self, username: str, email: str, password: str) -> str:
        """The id of the new customer."""
        body = {"username": username, "email": email, "password": password}
        answer = await self._post("/v1/users", body, key=f"register-{username}")
        return str(answer["id"])

    async def place(
        self, units: Sequence[tuple[str, int]], *, customer_id: str, invoice: str, key: str
    ) -> Order:
        """The new order, or Refused."""
        body = {
            "items": [{"sku": sku, "quantity": quantity} for sku, quantity in units],
            "customer_id": customer_id,
            "note": invoice,
        }
        return Order.of(await self._post("/v1/orders", body, key=key, timings=self.placing))

    async def open_account(self, owner_id: str) -> str:
        """The id of the new account of store credit."""
        body = {"owner_id": owner_id, "currency": CURRENCY}
        answer = await self._post("/v1/accounts", body, key=f"account-{owner_id}")
        return str(answer["id"])

    async def deposit(self, account_id: str, sum: Decimal, *, reference: str, key: str) -> None:
        body = {"amount": _money(sum), "reference": reference}
        await self._post(f"/v1/accounts/{account_id}/deposits", body, key=key)

    async def pay_by_credit(self, order_id: str, sum: Decimal) -> None:
        """Pay a part of it, once; or Refused."""
        body = {"method": "store_credit", "amount": _money(sum)}
        await self._post(f"/v1/orders/{order_id}/payments", body, key="credit")

    async def pay_outside(self, order_id: str, *, reference: str) -> None:
        """Pay all that is due, once; or Refused."""
        body = {"method": "external", "reference": reference}
        await self._post(f"/v1/orders/{order_id}/payments", body, key="external")

    async def refund(self, order_id: str, sum: Decimal, *, reason: str, key: str) -> None:
        """Or Refused."""
        body = {"amount": _money(sum), "reason": reason}
        await self._post(f"/v1/orders/{order_id}/refunds", body, key=key)

    async def ship(self, order_id: str, *, tracking_number: str) -> None:
        """Or Refused, as with the other moves."""
        await self._move(order_id, "shipped", tracking_number=tracking_number)

    async def deliver(self, order_id: str) -> None:
        await self._move(order_id, "delivered")

    async def cancel(self, order_id: str, *, reason: str) -> None:
        await self._move(order_id, "cancelled", reason=reason)

    async def _move(self, order_id: str, to: str, **more: str) -> None:
        await self._post(f"/v1/orders/{order_id}/transitions", {"to": to, **more}, key=to)

    async def products(self) -> AsyncIterator[Product]:
        async for row in self._walk("/v1/products", {"sort": "name"}):
            yield Product.of(row)

    async def order_ids(self) -> AsyncIterator[str]:
        async for row in self._walk("/v1/orders", {"sort": "placed_at"}):
            yield row["id"]

    async def order(self, order_id: str) -> Order:
        return Order.of(await self._get(f"/v1/orders/{order_id}", {}))

    async def payments(self, order_id: str) -> list[Payment]:
        """In the order in which they were made."""
        return [Payment.of(row) async for row in self._walk(f"/v1/orders/{order_id}/payments", {})]

    async def balances(self) -> AsyncIterator[tuple[str | None, Decimal]]:
        """Of each account its owner, None for the shop itself, and the balance."""
        async for row in self._walk("/v1/accounts", {}):
            yield row["owner_id"], amount(row["balance"])

    async def figures(self, start: datetime, end: datetime, *, best: int) -> Figures:
        """The reports on what was placed from `start` on and before `end`."""
        window = {"from": start.isoformat(), "to": end.isoformat()}
        orders = await self._get("/v1/reports/orders", window)
        top = await self._get("/v1/reports/top-customers", window | {"limit": str(best)})
        series = {
            interval: await self._get("/v1/reports/revenue", window | {"interval": interval})
            for interval in INTERVALS
        }
        return Figures(
            placed=Takings(orders["total_orders"], total(orders["revenue"])),
            by_status=orders["orders_by_status"],
            series={name: Takings.of_periods(report["items"]) for name, report in series.items()},
            best=[(row["customer_id"], Takings.of_customer(row)) for row in top],
        )

    async def _walk(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[Json]:
        cursor: str | None = None
        while True:
            page = {**parameters, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
            answer = await self._get(path, page)
            for row in answer["items"]:
                yield row
            cursor = answer["next_cursor"]
            if cursor is None:
                return

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        return await self._send("GET", path, params=parameters)

    async def _post(
        self, path: str, body: Json, *, key: str, timings: Timings | None = None
    ) -> Any:
        return await self._send(
            "POST", path, json=body, headers={"Idempotency-Key": key}, timings=timings
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        timings: Timings | None = None,
        **request: Any,
    ) -> Any:
        """
        Send until it is answered for good, and count in `sent_again` why it was not.

        Reading may be repeated at will; what is posted bears an Idempotency-Key, which makes the
        same of it.
        """
        for _ in range(TRIES):
            token = self._token or await self._signed_in("")
            bearing = {**(headers or {}), "Authorization": f"Bearer {token}"}
            started = time.perf_counter()
            try:
                answer = await self.http.request(method, path, headers=bearing, **request)
            except httpx.TransportError as broken:
                self.sent_again[type(broken).__name__] += 1
                await asyncio.sleep(0.2)
                continue
            if timings is not None and answer.is_success:
                timings.record(started, time.perf_counter())
            if answer.status_code == 401:
                await self._signed_in(token)
            elif "Retry-After" in answer.headers:
                await asyncio.sleep(min(float(answer.headers["Retry-After"]), LONGEST_PAUSE))
            else:
                return _content(answer)
            self.sent_again[f"{answer.status_code} {answer.reason_phrase}"] += 1
        raise UnexpectedAnswer(f"{method} {path}: no answer for good in {TRIES} tries")

    async def _signed_in(self, stale: str) -> str:
        """A token other than the stale one; of several that ask at once only the first signs in."""
        async with self._signing_in:
            if self._token == stale:
                form = {
                    "grant_type": "password",
                    "username": self.username,
                    "password": self.password,
                }
                answer = await self.http.post("/v1/auth/token", data=form)
                self._token = str(_content(answer)["access_token"])
            return self._token


def _money(sum: Decimal) -> Json:
    return {"amount": str(sum), "currency": CURRENCY}


def _content(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        problem = answer.json()
        raise Refused(problem["code"], f"{problem['title']}: {problem['detail']}")
    request = answer.request
    raise UnexpectedAnswer(f"{request.method} {request.url.path}: {answer.status_code}")
