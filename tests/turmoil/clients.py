"""Clients who do whatever comes to their minds, all at once, and note what they are answered."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import httpx

CURRENCY: Final = "USD"

Json = dict[str, Any]

# Where each thing that is made bears the key of the request that made it, by the end of its path.
MARK: Final = {
    "orders": "note",
    "payments": "reference",
    "refunds": "reason",
    "transitions": "reason",
    "transfers": "memo",
    "deposits": "reference",
    "stock": "reason",
}

# What a refusal may be for: somebody else was quicker, or it was asked for too much.
REFUSALS: Final = frozenset(
    {
        "insufficient-funds",
        "insufficient-stock",
        "invalid-transition",
        "order-cancelled",
        "overpayment",
        "refund-too-large",
    }
)


@dataclass(slots=True)
class Noted:
    """How often each kind of request was answered how, and what should not have been answered."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def note(self, kind: str, answer: httpx.Response) -> None:
        if answer.is_success:
            self.answers[kind, "done"] += 1
            return
        is_problem = answer.headers.get("content-type") == "application/problem+json"
        code = answer.json()["code"] if is_problem else "no problem document"
        self.answers[kind, code] += 1
        if code not in REFUSALS:
            self.mistakes.append(f"{kind}: {answer.status_code} {answer.text[:200]}")


@dataclass(slots=True)
class Market:
    """What everybody fights over: the products on sale, the accounts, and the orders so far."""

    products: list[str]
    accounts: list[str]
    orders: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    """A customer, who has also got hold of a clerk's token."""

    http: httpx.AsyncClient
    token: str
    clerk: str
    account: str
    market: Market
    noted: Noted
    chance: random.Random
    own: list[str] = field(default_factory=list)

    async def do_something(self) -> None:
        doings: dict[Callable[[], Awaitable[None]], int] = {
            self.place: 6,
            self.pay_with_credit: 5,
            self.pay_outside: 2,
            self.cancel: 2,
            self.cancel_as_a_clerk: 1,
            self.move: 3,
            self.refund: 3,
            self.transfer: 3,
            self.deposit: 1,
            self.restock: 1,
        }
        [doing] = self.chance.choices([*doings], [*doings.values()])
        await doing()

    async def place(self) -> None:
        wanted = self.chance.sample(self.market.products, self.chance.randint(1, 3))
        items = [{"product_id": id, "quantity": self.chance.randint(1, 3)} for id in wanted]
        placed = await self._send("place", "/v1/orders", {"items": items})
        if placed:
            self.own.append(placed["id"])
            self.market.orders.append(placed["id"])

    async def pay_with_credit(self) -> None:
        await self._on_own("pay with credit", "payments", {"method": "store_credit"} | self._sum())

    async def pay_outside(self) -> None:
        await self._on_any("pay outside", "payments", {"method": "external"} | self._sum())

    async def cancel(self) -> None:
        # A customer may not cancel what is confirmed, which is no mistake of the service's.
        if self.own:
            path = f"/v1/orders/{self.chance.choice(self.own)}"
            order = (await self.http.get(path, headers=self._bearing(self.token))).json()
            if any(action["allowed"] for action in order["actions"]):
                await self._send("cancel", f"{path}/transitions", {"to": "cancelled"}, or_else=403)

    async def cancel_as_a_clerk(self) -> None:
        await self._on_any("cancel as a clerk", "transitions", {"to": "cancelled"})

    async def move(self) -> None:
        to = self.chance.choice(["confirmed", "shipped", "delivered"])
        await self._on_any("move", "transitions", {"to": to})

    async def refund(self) -> None:
        await self._on_any("refund", "refunds", self._sum())

    async def transfer(self) -> None:
        other = self.chance.choice([id for id in self.market.accounts if id != self.account])
        body = {"from_account_id": self.account, "to_account_id": other, "amount": self._money()}
        await self._send("transfer", "/v1/transfers", body)

    async def deposit(self) -> None:
        path = f"/v1/accounts/{self.chance.choice(self.market.accounts)}/deposits"
        await self._send("deposit", path, {"amount": self._money()}, token=self.clerk)

    async def restock(self) -> None:
        path = f"/v1/products/{self.chance.choice(self.market.products)}/stock"
        change = self.chance.choice([-2, 5, 10])
        await self._send("restock", path, {"change": change}, token=self.clerk)

    async def _on_own(self, kind: str, what: str, body: Json) -> None:
        if self.own:
            await self._send(kind, f"/v1/orders/{self.chance.choice(self.own)}/{what}", body)

    async def _on_any(self, kind: str, what: str, body: Json) -> None:
        if self.market.orders:
            path = f"/v1/orders/{self.chance.choice(self.market.orders[-200:])}/{what}"
            await self._send(kind, path, body, token=self.clerk)

    def _sum(self) -> Json:
        """All there is, or a part."""
        return {} if self.chance.random() < 0.5 else {"amount": self._money()}

    def _money(self) -> Json:
        return {"amount": f"{self.chance.randint(1, 2_000) / 100:.2f}", "currency": CURRENCY}

    async def _send(
        self, kind: str, path: str, body: Json, *, token: str = "", or_else: int = 0
    ) -> Json | None:
        """Once with its own key and, now and then, once more, which makes the same of it."""
        key = str(uuid4())
        headers = self._bearing(token or self.token) | {"Idempotency-Key": key}
        body |= {MARK[path.rpartition("/")[2]]: key}
        answer = await self.http.post(path, json=body, headers=headers)
        if answer.status_code != or_else:
            self.noted.note(kind, answer)
        if answer.is_success and self.chance.random() < 0.1:
            again = await self.http.post(path, json=body, headers=headers)
            if (again.status_code, again.content) != (answer.status_code, answer.content):
                self.noted.mistakes.append(f"{kind}: another answer the second time")
        content: Json | None = answer.json() if answer.is_success else None
        return content

    def _bearing(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}
