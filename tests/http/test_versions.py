"""ETags: what a client has need not be sent again, and of two writers the second is told."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_product,
    content,
    in_memory,
    problem,
    transitions,
)


async def one_of_each(api: Api) -> list[str]:
    """The paths of single resources."""
    category = await api.category()
    product = await api.product(category_id=category["id"])
    order = await api.order(product)
    return [
        f"/v1/categories/{category['id']}",
        f"/v1/products/{product['id']}",
        f"/v1/products/by-sku/{product['sku']}",
        f"/v1/products/by-slug/{product['slug']}",
        f"/v1/posts/{(await api.post('publish', slug='news'))['id']}",
        f"/v1/orders/{order['id']}",
    ]


def is_not_modified(answer: httpx.Response) -> bool:
    if answer.status_code == 304:
        assert (answer.content, "Content-Type" in answer.headers) == (b"", False)
    return answer.status_code == 304


async def test_every_single_resource_has_an_etag_of_its_version(api: Api) -> None:
    for path in await one_of_each(api):
        found = await api.staff.get(path)
        assert found.headers["ETag"] == f'"{content(found, 200)["version"]}"'
    created = await api.staff.post("/v1/products", a_product())
    assert (created.headers["ETag"], content(created, 201)["version"]) == ('"1"', 1)
    changed = await api.staff.patch(created.headers["Location"], {"name": "Cup"})
    assert (changed.headers["ETag"], content(changed, 200)["version"]) == ('"2"', 2)
    assert (await api.nobody.get(created.headers["Location"])).headers["ETag"] == '"2"'


async def test_what_is_created_is_where_its_location_says(api: Api) -> None:
    product = await api.staff.post("/v1/products", a_product(stock=1))
    category = await api.staff.post("/v1/categories", {"name": "Mugs"})
    items = [{"product_id": product.json()["id"], "quantity": 1}]
    order = await api.customer.post("/v1/orders", {"items": items})
    for created in (product, category, order):
        found = content(await api.customer.get(created.headers["Location"]), 200)
        assert found["id"] == created.json()["id"]
    assert content(order, 201) == content(await api.customer.get(order.headers["Location"]), 200)
    assert content(category, 201) == content(
        await api.nobody.get(category.headers["Location"]), 200
    )


async def test_what_the_client_has_already_is_not_sent_again(api: Api) -> None:
    for path in await one_of_each(api):
        etag = (await api.staff.get(path)).headers["ETag"]
        for header in (etag, f"W/{etag}", f'"x", {etag}', f'{etag},"7"', f' "7" ,W/{etag} ', "*"):
            same = await api.staff.get(path, headers={"If-None-Match": header})
            assert is_not_modified(same), header
            assert same.headers["ETag"] == etag
        for header in ('"7"', 'W/"7"', '"x", "y"', etag.strip('"'), f'"0{etag[1:]}', '""', "x"):
            other = await api.staff.get(path, headers={"If-None-Match": header})
            assert content(other, 200) == content(await api.staff.get(path), 200), header


async def test_what_has_changed_is_sent_again(api: Api) -> None:
    product = await api.product(stock=5)
    path = f"/v1/products/{product['id']}"
    etag = (await api.nobody.get(path)).headers["ETag"]
    await api.order(product)
    changed = await api.nobody.get(path, headers={"If-None-Match": etag})
    assert content(changed, 200)["stock"] == 4


@in_memory
async def test_what_is_not_for_me_is_not_even_unmodified(api: Api) -> None:
    order = await api.order(by=api.other)
    for path, code in (
        (f"/v1/orders/{order['id']}", "order"),
        (f"/v1/products/{NOWHERE}", "product"),
    ):
        refused = await api.customer.get(path, headers={"If-None-Match": "*"})
        problem(refused, 404, f"{code}-not-found")


async def writes(api: Api) -> list[tuple[str, str, Any]]:
    """One write of each kind that takes If-Match, all of them on something of version 1."""
    category, product, gone, gone_too, replaced, there = [
        await api.category(),
        await api.product(),
        await api.product(),
        await api.category(),
        await api.category(),
        await api.product(),
    ]
    tag = await api.tag(category["slug"])
    order = await api.order()
    written, read, thrown_away = [await api.post() for _ in range(3)]
    whole = {name: there[name] for name in ("sku", "name", "price")}
    return [
        ("PUT", f"/v1/categories/{replaced['id']}", {"name": replaced["name"]}),
        ("PUT", f"/v1/products/{there['id']}", whole),
        ("POST", f"/v1/products/{there['id']}/restore", None),
        ("POST", f"/v1/products/{there['id']}/stock", {"change": 1}),
        ("DELETE", f"/v1/tags/{tag['id']}", None),
        ("PATCH", f"/v1/posts/{written['id']}", {"title": "new"}),
        ("POST", f"/v1/posts/{read['id']}/publish", None),
        ("DELETE", f"/v1/posts/{thrown_away['id']}", None),
        ("PATCH", f"/v1/categories/{category['id']}", {"description": "new"}),
        ("PATCH", f"/v1/products/{product['id']}", {"description": "new"}),
        ("DELETE", f"/v1/products/{gone['id']}", None),
        ("DELETE", f"/v1/categories/{gone_too['id']}", None),
        ("POST", transitions(order), {"to": "confirmed"}),
    ]


async def test_a_stale_version_is_told_the_current_one_and_changes_nothing(api: Api) -> None:
    for method, path, body in await writes(api):
        for stale in ('"2"', '"0"', '"7", "8"', '"01"', '"x"', '""', 'W/"1"', '"4294967297"',
                      '"' + "9" * 400 + '"', 'W/"1", "2"', '"a,b"', '"é"'):  # fmt: skip
            async with api.unchanged():
                refused = await api.staff.send(method, path, body, if_match=stale)
            assert problem(refused, 412, "stale-version")["version"] == 1
            assert refused.headers["ETag"] == '"1"'


async def test_the_current_version_is_changed(api: Api) -> None:
    for header in ('"1"', ' "1" ', '"7", "1"', '"1","2"', 'W/"1", "1"', "*"):
        for method, path, body in await writes(api):
            done = await api.staff.send(method, path, body, if_match=header)
            assert done.is_success, (header, method, done.text)


@in_memory
@pytest.mark.parametrize(
    "header",
    [
        "1",
        "x",
        '"1',
        '1"',
        "'1'",
        '"1" "2"',
        '"1";',
        'w/"1"',
        'W"1"',
        '"1", x',
        '"1", *',
        "",
        '"a"b"',
    ],
)
async def test_what_is_no_list_of_etags_is_refused(api: Api, header: str) -> None:
    for method, path, body in await writes(api):
        async with api.unchanged():
            refused = await api.staff.send(method, path, body, if_match=header)
        problem(refused, 400, "invalid-header", "header If-Match")


async def test_without_a_version_the_last_writer_wins_with_a_whole_one(api: Api) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"

    def change(n: int) -> Json:
        return {"name": f"Name {n}", "description": f"Name {n}", "metadata": {"name": f"Name {n}"}}

    done = await asyncio.gather(*(api.staff.patch(path, change(n)) for n in range(20)))
    assert [answer.status_code for answer in done] == [200] * 20
    found = await api.product_now(product)
    assert found["name"] == found["description"] == found["metadata"]["name"]
    assert found["version"] == 21
    assert sorted(answer.json()["version"] for answer in done) == [*range(2, 22)]
    assert all(answer.json()["name"] == answer.json()["description"] for answer in done)


async def test_changes_of_different_members_at_once_are_all_kept(api: Api) -> None:
    product = await api.product(stock=20)
    path = f"/v1/products/{product['id']}"
    changes = [{"metadata": {f"k{n}": "v"}} for n in range(10)] + [{"name": "N"}, {"slug": "s"}]
    orders = [api.order(product) for _ in range(10)]
    done, _ = await asyncio.gather(
        asyncio.gather(*(api.staff.patch(path, change) for change in changes)),
        asyncio.gather(*orders),
    )
    assert {answer.status_code for answer in done} == {200}
    found = await api.product_now(product)
    assert found["metadata"] == {f"k{n}": "v" for n in range(10)}
    assert (found["name"], found["slug"], found["stock"]) == ("N", "s", 10)


async def test_of_fifty_writers_with_one_version_one_wins(api: Api) -> None:
    product = await api.product()
    path = f"/v1/products/{product['id']}"
    answers = await asyncio.gather(
        *(api.staff.patch(path, {"name": f"Name {n}"}, if_match='"1"') for n in range(50))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 49}
    [winner] = [answer for answer in answers if answer.status_code == 200]
    found = await api.product_now(product)
    assert (found["name"], found["version"]) == (winner.json()["name"], 2)
    for loser in answers:
        if loser is not winner:
            assert problem(loser, 412, "stale-version")["version"] == 2


async def test_of_twenty_who_move_an_order_from_one_version_one_does(api: Api) -> None:
    order = await api.order()
    answers = await asyncio.gather(
        *(
            api.staff.post(
                transitions(order), {"to": ("confirmed", "cancelled")[n % 2]}, if_match='"1"'
            )
            for n in range(20)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 19}


async def test_a_patch_that_changes_nothing_keeps_the_version(api: Api) -> None:
    product = await api.product(name="Mug")
    same = await api.staff.patch(f"/v1/products/{product['id']}", {"name": "Mug"}, if_match='"1"')
    assert content(same, 200) == product
    empty = await api.staff.patch(f"/v1/products/{product['id']}", {})
    assert content(empty, 200) == product
