"""The service as its clients see it, and the few things that a test must know beyond that."""

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import pytest
from dependency_injector import providers
from fastapi import FastAPI
from pydantic import SecretStr

from application.identity.ports import Holder, IdentityWork
from application.shared.clock import utc_now
from domain.identity.session import Session, SessionId
from domain.identity.user import Role, User, UserId
from interfaces.container import Container as Shop
from interfaces.http.app import create_app
from interfaces.settings import Settings
from tests.builders import PASSWORD, PlainHasher, a_user
from tests.http.storages import Contents, MemoryStorage, SqlStorage, Storage

Json = dict[str, Any]

SECRET: Final = "a secret of the tests and of nobody else"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
NDJSON: Final = "application/x-ndjson"
PROBLEM: Final = "application/problem+json"
MONTH: Final = timedelta(days=30)
ATTEMPTS: Final = ("sign_in_attempts", "Attempts")  # where failures to sign in are counted
NOWHERE: Final = "01a19467-e800-7000-8000-00000000dead"  # an id that nothing has
INTERNALS: Final = (
    "traceback", 'file "', ".py", "sqlalchemy", "asyncpg", "sqlite", "pydantic", "select ",
    "insert into", "update ", "password_hash", "argon2",
)  # fmt: skip

in_memory = pytest.mark.parametrize("opened", ["memory"], indirect=True)
in_sql = pytest.mark.parametrize("opened", ["sqlite", "postgresql"], indirect=True)

_numbers: Final = count(1)


class QuickHasher(PlainHasher):
    """Where no test is about passwords, none shall wait for their hashes."""

    def close(self) -> None:
        """It has no threads."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who sends requests; without a token nobody that the service knows."""

    http: httpx.AsyncClient
    id: str = ""
    username: str = ""
    token: str | None = None

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | AsyncIterable[bytes] | None = None,
        content_type: str = JSON,
        key: str | None = None,
        if_match: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """`body` is sent as JSON, `content` as it is; both may be left out."""
        sent: dict[str, str | bytes] = {}
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = content_type
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            sent["Idempotency-Key"] = key
        if if_match is not None:
            sent["If-Match"] = if_match
        request = self.http.build_request(
            method,
            path,
            content=content,
            headers=[
                (name.encode(), _raw(value)) for name, value in {**sent, **(headers or {})}.items()
            ],
            params=params,
        )
        return await self.http.send(request)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.send("POST", path, body, **options)

    async def put(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.send("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.send("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("DELETE", path, **options)


@dataclass(frozen=True, slots=True)
class Opened:
    """A running application over one storage, whoever uses it."""

    app: FastAPI
    container: Shop
    http: httpx.AsyncClient
    storage: Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The service over an empty shop, with somebody of each role; `other` is a second customer."""

    app: FastAPI
    container: Shop
    storage: Storage
    nobody: Caller
    admin: Caller
    staff: Caller
    customer: Caller
    other: Caller

    @property
    def backend(self) -> str:
        return self.storage.name

    @asynccontextmanager
    async def unchanged(self, *, but: Container[str] = ()) -> AsyncIterator[None]:
        """Whatever the block does, nothing of it may be kept, `but` what is kept under these."""
        before = await self.contents()
        yield
        assert _without(await self.contents(), but) == _without(before, but)

    async def contents(self) -> Contents:
        return await self.storage.contents()

    async def user(self, **changes: Any) -> Json:
        """A new customer as their answer shows them; they can sign in with PASSWORD."""
        return content(await self.nobody.post("/v1/users", a_registration(**changes)), 201)

    async def grant(self, login: str, password: str = PASSWORD, **headers: str) -> Json:
        """The tokens of a new session."""
        return content(await self.sign_in(login, password, **headers), 200)

    async def sign_in(self, login: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        form = {"grant_type": "password", "username": login, "password": password}
        return await self.form("/v1/auth/token", form, headers=headers)

    async def refresh(self, refresh_token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.form("/v1/auth/token", form)

    async def revoke(self, token: str) -> httpx.Response:
        return await self.form("/v1/auth/revoke", {"token": token})

    async def form(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return await self.nobody.post(
            path, content=urlencode(form).encode(), content_type=FORM, headers=headers
        )

    async def signed_in(self, login: str, password: str = PASSWORD) -> Caller:
        """Whoever this is, in a new session."""
        return self.holder(await self.grant(login, password))

    def holder(self, grant: Json) -> Caller:
        """Whoever has got these tokens."""
        return Caller(self.nobody.http, token=grant["access_token"])

    async def change(self, who: Caller, change: Callable[[User], None]) -> None:
        """Do something to a user past the service, as another process of it would."""
        async with self.container.work() as work:
            change(await work.users.get(UserId(UUID(who.id)), lock=True))
            await work.commit()

    async def product(self, **changes: Any) -> Json:
        """A new product as its answer shows it."""
        created = await self.staff.post("/v1/products", a_product(**changes))
        return content(created, 201)

    async def category(self, **changes: Any) -> Json:
        created = await self.staff.post("/v1/categories", a_category(**changes))
        return content(created, 201)

    async def tag(self, slug: str, **changes: Any) -> Json:
        created = await self.staff.post("/v1/tags", {"name": slug, "slug": slug, **changes})
        return content(created, 201)

    async def post(self, *moves: str, **changes: Any) -> Json:
        """A new post of staff after these moves, `publish` or `archive`."""
        body = {"title": f"Post {next(_numbers)}"} | changes
        post = content(await self.staff.post("/v1/posts", body), 201)
        for move in moves:
            post = content(await self.staff.post(f"/v1/posts/{post['id']}/{move}"), 200)
        return post

    async def post_now(self, post: Json) -> Json:
        return content(await self.staff.get(f"/v1/posts/{post['id']}"), 200)

    async def order(self, *products: Json, by: Caller | None = None, quantity: int = 1) -> Json:
        """A new order of so many of each product, of a new one if none is given."""
        basket = products or (await self.product(stock=quantity),)
        items = [{"product_id": product["id"], "quantity": quantity} for product in basket]
        placed = await (by or self.customer).post("/v1/orders", {"items": items})
        return content(placed, 201)

    async def move(self, order: Json, *statuses: str) -> Json:
        """The order after staff moved it through these statuses."""
        for status in statuses:
            moved = await self.staff.post(transitions(order), {"to": status})
            order = content(moved, 200)
        return order

    async def order_now(self, order: Json, who: Caller | None = None) -> Json:
        return content(await (who or self.staff).get(f"/v1/orders/{order['id']}"), 200)

    async def pay(
        self, order: Json, amount: str | None = None, method: str = "external", **more: Any
    ) -> Json:
        """The payment of so many dollars, or of all that is due, that staff enter."""
        body = {"method": method, **more}
        if amount is not None:
            body["amount"] = usd(amount)
        return content(await self.staff.post(payments(order), body), 201)

    async def refund(self, order: Json, amount: str | None = None, **more: Any) -> Json:
        """The refund of so many dollars, or of all that was paid."""
        body = {"reason": "damaged", **more}
        if amount is not None:
            body["amount"] = usd(amount)
        return content(await self.staff.post(refunds(order), body), 201)

    async def account(
        self, owner_id: str = "", currency: str = "USD", *, holding: str | None = None
    ) -> Json:
        """An account of the first customer, or of this user, with so much in it."""
        body = {"owner_id": owner_id or self.customer.id, "currency": currency}
        account = content(await self.staff.post("/v1/accounts", body), 201)
        if holding is None:
            return account
        await self.deposit(account, money(holding, currency))
        return await self.account_now(account)

    async def deposit(self, account: Json, amount: Json) -> Json:
        """The transfer by which staff put so much into the account."""
        body = {"amount": amount, "reference": "gift card"}
        return content(await self.staff.post(f"/v1/accounts/{account['id']}/deposits", body), 201)

    async def account_now(self, account: Json) -> Json:
        return content(await self.staff.get(f"/v1/accounts/{account['id']}"), 200)

    async def house(self, currency: str = "USD") -> Json:
        """The shop's own account of this currency, which there is after the first deposit."""
        listed = await self.staff.get("/v1/accounts", params={"currency": currency, "limit": 100})
        [house] = [account for account in rows(listed) if account["owner_id"] is None]
        return house

    async def balances(self, *accounts: Json) -> list[str]:
        return [(await self.account_now(account))["balance"]["amount"] for account in accounts]

    async def stock(self, *products: Json) -> list[int]:
        """How many of each are left."""
        return [(await self.product_now(product))["stock"] for product in products]

    async def product_now(self, product: Json) -> Json:
        return content(await self.staff.get(f"/v1/products/{product['id']}"), 200)

    async def total(self, path: str) -> int:
        """How many things staff find in this list."""
        listed = await self.staff.get(path, params={"with_total": "true"})
        total: int = content(listed, 200)["total"]
        return total


def application(settings: Settings) -> tuple[FastAPI, Shop]:
    """The service with these settings, whose passwords cost nothing."""
    container = Shop(settings=providers.Object(settings))
    container.hasher.override(providers.Object(QuickHasher()))
    return create_app(container), container


def settings(**values: Any) -> Settings:
    """Settings of a test: what it does not name is as it is by default, whatever `.env` says."""
    # The type checker does not see pydantic-settings' own arguments.
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs as long as the block."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http,
    ):
        yield http


@asynccontextmanager
async def opened_sql(name: str, url: str, **values: Any) -> AsyncIterator[Opened]:
    """The service over this database; unless it is told otherwise, as many wait as a test likes."""
    waits = ("request_timeout", "pool_timeout", "lock_timeout", "statement_timeout")
    patience: Json = dict.fromkeys(waits, 30.0)
    app, container = application(
        settings(database_url=url, **{"secret_key": SecretStr(SECRET), **patience, **values})
    )
    async with running(app) as http:
        yield Opened(app, container, http, SqlStorage(container, name))


@asynccontextmanager
async def opened_memory(*, lock_timeout: float = 2.0, **values: Any) -> AsyncIterator[Opened]:
    """The service over a shop in memory."""
    app, container = application(settings(memory=True, **values))
    async with running(app) as http:
        yield Opened(app, container, http, MemoryStorage(container, lock_timeout=lock_timeout))


async def api_of(opened: Opened) -> Api:
    """The service over its emptied storage."""
    await opened.storage.clear()
    container = opened.container
    container.work()  # users can be made once the storage has taught their class what it must know
    roles = {
        "admin": Role.ADMIN,
        "staff": Role.STAFF,
        "customer": Role.CUSTOMER,
        "other": Role.CUSTOMER,
    }
    users = {name: a_user(username=name, role=role) for name, role in roles.items()}
    async with container.work() as work:
        for user in users.values():
            work.users.add(user)
        await work.flush()
        callers = {name: caller(opened, work, user) for name, user in users.items()}
        await work.commit()
    return Api(
        app=opened.app,
        container=container,
        storage=opened.storage,
        nobody=Caller(opened.http),
        **callers,
    )


def _without(contents: Contents, left_out: Container[str]) -> Contents:
    return {name: kept for name, kept in contents.items() if name not in left_out}


def caller(opened: Opened, work: IdentityWork, user: User) -> Caller:
    """The user in a session of their own, as a part of this unit of work."""
    session, _ = Session.open(UserId(user.id), client=None, lifetime=MONTH, at=utc_now())
    work.sessions.add(session)
    token = opened.container.tokens().issue(Holder(session.user_id, SessionId(session.id)))
    return Caller(opened.http, str(user.id), user.username, token)


def a_product(**changes: Any) -> Json:
    number = next(_numbers)
    product = {
        "sku": f"SKU-{number}",
        "name": f"Product {number}",
        "price": usd("9.99"),
        "stock": 10,
    }
    return product | changes


def a_category(**changes: Any) -> Json:
    return {"name": f"Category {next(_numbers)}"} | changes


def a_registration(**changes: Any) -> Json:
    username = f"user_{next(_numbers)}"
    registration = {
        "username": username,
        "email": f"{username}@example.com",
        "password": PASSWORD,
    }
    return registration | changes


def an_address(**changes: Any) -> Json:
    address = {
        "name": "Ada Lovelace",
        "line1": "12 St James's Square",
        "city": "London",
        "country": "GB",
    }
    return address | changes


def usd(amount: Any) -> Json:
    return money(amount, "USD")


def money(amount: Any, currency: str) -> Json:
    return {"amount": amount, "currency": currency}


def basket(*items: tuple[Json, int]) -> Json:
    """The body that orders so many of each product."""
    return {"items": [{"product_id": product["id"], "quantity": n} for product, n in items]}


def a_transfer(source: Json, target: Json, amount: Json | None = None, **more: Any) -> Json:
    """The body that moves the amount, or one dollar."""
    ends = {"from_account_id": source["id"], "to_account_id": target["id"]}
    return {**ends, "amount": amount or usd("1.00"), **more}


def transitions(order: Json) -> str:
    return f"/v1/orders/{order['id']}/transitions"


def payments(order: Json) -> str:
    return f"/v1/orders/{order['id']}/payments"


def refunds(order: Json) -> str:
    return f"/v1/orders/{order['id']}/refunds"


def timeline(order: Json) -> str:
    return f"/v1/orders/{order['id']}/timeline"


def content(answer: httpx.Response, status: int) -> Json:
    """The JSON of an answer that has this status."""
    assert answer.status_code == status, _shown(answer)
    assert answer.headers["Content-Type"] == JSON
    found: Json = answer.json()
    return found


def rows(answer: httpx.Response) -> list[Json]:
    items: list[Json] = content(answer, 200)["items"]
    return items


def problem(answer: httpx.Response, status: int, code: str, *places: str) -> Json:
    """
    The problem document of a refusal with this status and code that blames just these places.

    A place is a JSON pointer into the body, or `query limit`, `header If-Match` and the like.
    """
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), _shown(answer)
    found: Json = answer.json()
    assert found["code"] == code, _shown(answer)
    assert found["status"] == status
    assert found["type"] == f"/problems/{code}"
    assert found["title"]
    assert found["detail"]
    assert found["instance"] == quote(answer.request.url.path)
    assert found["request_id"] == answer.headers["X-Request-Id"]
    blamed = [place_of(error) for error in found.get("errors", [])]
    assert sorted(blamed) == sorted(places), _shown(answer)
    assert not [word for word in INTERNALS if word in answer.text.lower()], _shown(answer)
    return found


def is_uuid7(text: str) -> bool:
    return str(UUID(text)) == text and UUID(text).version == 7


def at(text: str) -> datetime:
    """The moment that an answer names, if it does so as the contract wants it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def place_of(error: Mapping[str, str]) -> str:
    assert error["detail"]
    if "pointer" in error:
        assert set(error) == {"pointer", "detail"}
        return error["pointer"]
    assert set(error) == {"in", "name", "detail"}
    return f"{error['in']} {error['name']}"


def _shown(answer: httpx.Response) -> str:
    return f"{answer.status_code}: {answer.text[:1000]}"


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
