"""A new secret key replaces the one before it, and nobody notices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from pydantic import SecretStr, ValidationError

from tests.http.api import SECRET, Api, Caller, api_of, content, opened_sql, problem, rows, settings

NEW: Final = "a newer secret of the tests and of nobody else"
OTHER: Final = "a secret that the service has never heard of"
PRODUCTS: Final = "/v1/products"


@asynccontextmanager
async def restarted(url: str, key: str, before: str | None = None) -> AsyncIterator[Api]:
    """The service over what its last run left, with these keys."""
    keys: dict[str, Any] = {"secret_key": SecretStr(key)}
    if before is not None:
        keys["previous_secret_key"] = SecretStr(before)
    async with opened_sql("sqlite", url, **keys) as opened:
        nobody = Caller(opened.http)
        yield Api(
            app=opened.app,
            container=opened.container,
            storage=opened.storage,
            nobody=nobody,
            admin=nobody,
            staff=nobody,
            customer=nobody,
            other=nobody,
        )


@pytest.fixture
async def old(sqlite_url: str) -> AsyncIterator[Api]:
    async with opened_sql("sqlite", sqlite_url) as opened:
        yield await api_of(opened)


async def test_what_the_key_before_signed_still_counts(old: Api, sqlite_url: str) -> None:
    products = [await old.product() for _ in range(3)]
    page = content(await old.nobody.get(PRODUCTS, params={"limit": 1}), 200)
    body = {"items": [{"product_id": products[0]["id"], "quantity": 1}]}
    placed = await old.customer.post("/v1/orders", body, key="key")
    assert content(placed, 201)["version"] == 1
    grant = await old.grant("customer")

    async with restarted(sqlite_url, NEW, before=SECRET) as new:
        caller = new.holder(grant)
        assert content(await caller.get("/v1/users/me"), 200)["id"] == old.customer.id
        rest = await caller.get(PRODUCTS, params={"limit": 2, "cursor": page["next_cursor"]})
        assert {row["id"] for row in [*page["items"], *rows(rest)]} == {
            product["id"] for product in products
        }
        again = await caller.post("/v1/orders", body, key="key")
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.content == placed.content
        renewed = content(await new.refresh(grant["refresh_token"]), 200)
        newer = content(await caller.get(PRODUCTS, params={"limit": 1}), 200)["next_cursor"]

    async with restarted(sqlite_url, NEW) as new:
        problem(await new.holder(grant).get("/v1/users/me"), 401, "unauthenticated")
        assert len(rows(await new.holder(renewed).get("/v1/orders"))) == 1
        gone = await new.nobody.get(PRODUCTS, params={"cursor": page["next_cursor"]})
        problem(gone, 400, "invalid-cursor")
        assert len(rows(await new.nobody.get(PRODUCTS, params={"cursor": newer}))) == 2
        # A refresh token is kept, not signed: it outlives every key.
        content(await new.refresh(renewed["refresh_token"]), 200)


async def test_what_a_stranger_signed_does_not_count(old: Api, sqlite_url: str) -> None:
    async with restarted(sqlite_url, OTHER) as stranger:
        foreign = await stranger.grant("customer")
    async with restarted(sqlite_url, NEW, before=SECRET) as new:
        problem(await new.holder(foreign).get("/v1/users/me"), 401, "unauthenticated")


@pytest.mark.parametrize("key", ["", "short", "x" * 31])
def test_the_key_before_was_long_enough_as_well(key: str) -> None:
    with pytest.raises(ValidationError):
        settings(secret_key=SecretStr(NEW), previous_secret_key=SecretStr(key))


def test_no_key_is_shown() -> None:
    both = settings(secret_key=SecretStr(NEW), previous_secret_key=SecretStr(SECRET))
    assert both.secrets == [NEW, SECRET]
    assert not [key for key in both.secrets if key in repr(both)]
