from collections.abc import Callable

import httpx
import pytest

from tests.replay.answers import Json, UnexpectedAnswer
from tests.replay.shop import TRIES, Refused, Shop

Answer = Callable[[httpx.Request], httpx.Response]

TOKEN = "/v1/auth/token"
NOTHING: Json = {"amount": "0.00", "currency": "GBP"}
PENNY: Json = {"amount": "0.01", "currency": "GBP"}
ORDER: Json = {
    "id": "o1",
    "customer_id": "c",
    "note": "536365",
    "status": "pending",
    "total": PENNY,
    "paid": NOTHING,
    "refunded": NOTHING,
    "tracking_number": None,
    "items": [{"sku": "85123A", "quantity": 1, "unit_price": PENNY, "line_total": PENNY}],
}


def shop_that(answer: Answer) -> Shop:
    """A shop whose service signs everybody in, and answers the rest as told."""
    tokens = iter(("first", "second"))

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKEN:
            return httpx.Response(200, json={"access_token": next(tokens)})
        return answer(request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(respond), base_url="http://shop")
    return Shop(http, "replay", "Secret-1")


async def place(shop: Shop) -> str:
    order = await shop.place(
        [("85123A", 6)], customer_id="c", invoice="536365", key="sale-536365-1"
    )
    return order.id


async def test_an_order_shed_by_the_service_is_sent_again_under_the_same_key() -> None:
    keys = []

    def second_time(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return httpx.Response(201, json=ORDER)

    shop = shop_that(second_time)
    assert await place(shop) == "o1"
    assert keys == ["sale-536365-1", "sale-536365-1"]
    assert shop.sent_again == {"503 Service Unavailable": 1}
    assert len(shop.placing.seconds) == 1


async def test_a_broken_connection_is_no_answer() -> None:
    tries = []

    def second_time(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        if len(tries) == 1:
            raise httpx.ReadError("cut", request=request)
        return httpx.Response(201, json=ORDER)

    assert await place(shop_that(second_time)) == "o1"


async def test_a_service_that_only_sheds_is_given_up() -> None:
    tries = []

    def never(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        return httpx.Response(503, headers={"Retry-After": "0"})

    with pytest.raises(UnexpectedAnswer, match="no answer for good"):
        await place(shop_that(never))
    assert len(tries) == TRIES


async def test_a_token_that_ran_out_is_renewed() -> None:
    def only_second_token(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != "Bearer second":
            return httpx.Response(401)
        return httpx.Response(201, json=ORDER)

    assert await place(shop_that(only_second_token)) == "o1"


async def test_a_refusal_is_told_by_its_code() -> None:
    def short(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            409,
            json={"code": "insufficient-stock", "title": "Not enough", "detail": "of 85123A"},
            headers={"Content-Type": "application/problem+json"},
        )

    shop = shop_that(short)
    with pytest.raises(Refused) as refused:
        await place(shop)
    assert refused.value.code == "insufficient-stock"
    assert shop.placing.seconds == []


async def test_an_error_that_is_no_problem_of_the_contract_is_no_refusal() -> None:
    with pytest.raises(UnexpectedAnswer, match="POST /v1/orders: 500"):
        await place(shop_that(lambda request: httpx.Response(500, text="oops")))


async def test_a_list_is_walked_to_its_end() -> None:
    pages = {None: (["a", "b"], "2"), "2": (["c"], "3"), "3": ([], None)}

    def page(request: httpx.Request) -> httpx.Response:
        items, following = pages[request.url.params.get("cursor")]
        return httpx.Response(
            200, json={"items": [{"id": item} for item in items], "next_cursor": following}
        )

    shop = shop_that(page)
    assert [order_id async for order_id in shop.order_ids()] == ["a", "b", "c"]


async def test_products_are_imported_once_however_often_they_are_sent() -> None:
    keys = []

    def second_time(request: httpx.Request) -> httpx.Response:
        keys.append((request.headers["Idempotency-Key"], request.content))
        if len(keys) == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return httpx.Response(200, json={"created": 2})

    shop = shop_that(second_time)
    await shop.import_products("{}\n{}\n", count=2)
    assert keys == [("products", b"{}\n{}\n")] * 2
    with pytest.raises(UnexpectedAnswer, match="of 3 products 2 were made"):
        await shop.import_products("{}\n{}\n{}\n", count=3)
