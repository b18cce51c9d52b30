"""What browsers and caches are told with each answer, and which pages may read it."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Final

import pytest
from pydantic import ValidationError

from tests.http.api import (
    NOWHERE,
    Api,
    Caller,
    Json,
    Opened,
    api_of,
    in_memory,
    opened_memory,
    problem,
    settings,
)

SHOP: Final = "https://shop.example"
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"


@in_memory
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/livez", 200),
        ("GET", "/v1/products", 200),
        ("GET", "/v1/openapi.json", 200),
        ("GET", "/problems/not-found", 200),
        ("GET", "/docs/assets/swagger-ui.css", 200),
        ("GET", "/nowhere", 404),
        ("GET", f"/v1/products/{NOWHERE}", 404),
        ("GET", "/v1/products?limit=x", 422),
        ("GET", "/v1/orders", 401),
        ("FOO", "/livez", 405),
        ("POST", "/v1/orders", 401),
    ],
)
async def test_every_answer_is_what_it_says_and_nothing_else(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = await api.nobody.send(method, path)
    assert answer.status_code == status
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": NOTHING,
    }.items():
        assert answer.headers.get_list(name) == [value]
    assert "Server" not in answer.headers
    assert "Access-Control-Allow-Origin" not in answer.headers


@in_memory
async def test_so_is_the_answer_to_what_is_too_large_or_was_not_foreseen(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"Content-Length": str(1 << 40)}
    refused = await api.nobody.post("/v1/users", content=b"x", headers=large)
    problem(refused, 413, "payload-too-large")
    monkeypatch.delattr("application.catalog.browsing.Browsing.product")
    failed = await api.nobody.get(f"/v1/products/{NOWHERE}")
    problem(failed, 500, "internal-error")
    for answer in (refused, failed):
        assert answer.headers["Content-Security-Policy"] == NOTHING
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@in_memory
async def test_only_what_everybody_may_read_is_left_to_caches(api: Api) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"
    public = [await api.nobody.get(path), await api.nobody.get(f"/v1/products/{NOWHERE}")]
    private = [
        await api.staff.get(path),
        await api.customer.get("/v1/users/me"),
        await api.customer.get("/v1/orders"),
        await api.customer.get(path, headers={"If-None-Match": "*"}),
        await api.nobody.get("/v1/orders", headers={"Authorization": "Basic x"}),
        await api.sign_in("customer"),
        await api.sign_in("customer", "wrong"),
        await api.nobody.post("/v1/users", {}),
    ]
    assert ["Cache-Control" in answer.headers for answer in public] == [False, False]
    assert {answer.headers["Cache-Control"] for answer in private} == {"no-store"}


@in_memory
async def test_the_page_for_browsers_runs_its_own_scripts_only(api: Api) -> None:
    page = await api.nobody.get("/docs")
    [policy] = page.headers.get_list("Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    [script] = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hash = b64encode(sha256(script.encode()).digest()).decode()
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'self' 'sha256-{hash}'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
    }


@pytest.fixture(scope="module")
async def open_to_a_shop() -> AsyncIterator[Opened]:
    async with opened_memory(cors_origins=f"{SHOP}, http://localhost:3000") as opened:
        yield opened


def preflight(origin: str) -> Json:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,idempotency-key,if-match",
    }


async def test_a_page_of_the_shop_may_read_answers(open_to_a_shop: Opened) -> None:
    api = await api_of(open_to_a_shop)
    path = f"/v1/products/{(await api.product())['id']}"
    for origin in (SHOP, "http://localhost:3000"):
        asked = await api.nobody.send("OPTIONS", path, headers=preflight(origin))
        assert asked.status_code == 200
        assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
        assert "idempotency-key" in asked.headers["Access-Control-Allow-Headers"]
        for answer in (
            asked,
            await api.nobody.get(path, headers={"Origin": origin}),
            await api.nobody.get("/nowhere", headers={"Origin": origin}),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == origin
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert answer.headers["Content-Security-Policy"] == NOTHING
            assert answer.headers["X-Request-Id"]
    read = await api.nobody.get(path, headers={"Origin": SHOP})
    assert {"ETag", "Link", "Location", "X-Request-Id"} <= {
        *read.headers["Access-Control-Expose-Headers"].split(", ")
    }


async def test_a_page_of_anybody_else_may_not(open_to_a_shop: Opened, memory: Opened) -> None:
    for opened, origin in (
        (open_to_a_shop, "https://evil.example"),
        (open_to_a_shop, f"{SHOP}.evil.example"),
        (memory, SHOP),
    ):
        for method, headers in (("OPTIONS", preflight(origin)), ("GET", {"Origin": origin})):
            answer = await Caller(opened.http).send(method, "/v1/products", headers=headers)
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "origins",
    ["shop.example", f"{SHOP}/", f"{SHOP} {SHOP}", "ftp://shop.example", "null", "https://"],
)
def test_what_is_no_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValidationError, match="is no list of origins"):
        settings(cors_origins=origins)
