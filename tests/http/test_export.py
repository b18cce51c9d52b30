"""A catalog that is handed over as a file."""

import csv
import json
from collections.abc import MutableMapping
from io import StringIO
from typing import Any, Final

import pytest

from application.catalog import exporting
from tests.http.api import NDJSON, Api, api_of, content, in_memory, opened_memory, problem, usd

EXPORT: Final = "/v1/products/export"
COLUMNS: Final = "sku,name,price,currency,stock,slug,description,category,tags,is_active,metadata"


async def messages(api: Api, query: str) -> list[MutableMapping[str, Any]]:
    """What the application sends for an export, one by one."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": EXPORT,
        "raw_path": EXPORT.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"authorization", f"Bearer {api.staff.token}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("shop", 80),
    }
    await api.app(scope, receive, send)
    return sent


async def test_a_table_has_a_line_for_each_product_by_sku(api: Api) -> None:
    kitchen = await api.category(name="Kitchen")
    cups = await api.category(name="Cups", parent_id=kitchen["id"])
    await api.tag("new")
    await api.tag("sale")
    await api.product(
        sku="MUG",
        name='Big "mug", blue',
        slug="big-mug",
        description="=1+1\n",
        price={"amount": "1.234", "currency": "KWD"},
        stock=5,
        category_id=cups["id"],
        tags=["sale", "new"],
        metadata={"colour": "blue"},
    )
    await api.product(sku="CUP", name="Cup", slug="cup", stock=0, is_active=False)

    exported = await api.staff.get(EXPORT)

    assert exported.status_code == 200
    assert exported.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert exported.headers["Content-Disposition"] == 'attachment; filename="products.csv"'
    assert exported.text == (
        f"{COLUMNS}\r\n"
        "CUP,Cup,9.99,USD,0,cup,,,,false,{}\r\n"
        'MUG,"Big ""mug"", blue",1.234,KWD,5,big-mug,"\'=1+1\n",Kitchen > Cups,new sale,true,'
        '"{""colour"":""blue""}"\r\n'
    )


async def test_lines_of_json_have_a_product_each(api: Api) -> None:
    kitchen = await api.category(name="Kitchen")
    await api.tag("new")
    mug = await api.product(
        sku="MUG",
        slug="mug",
        category_id=kitchen["id"],
        tags=["new"],
        metadata={"colour": "blå"},
        description="=1+1",
    )
    await api.product(sku="CUP", slug="cup", stock=0, is_active=False)

    exported = await api.staff.get(EXPORT, params={"format": "ndjson"})

    assert exported.status_code == 200
    assert exported.headers["Content-Type"] == NDJSON
    assert exported.headers["Content-Disposition"] == 'attachment; filename="products.ndjson"'
    cup, found = map(json.loads, exported.text.splitlines())
    assert (cup["sku"], cup["category"], cup["is_active"]) == ("CUP", None, False)
    assert found == {
        "sku": "MUG",
        "name": mug["name"],
        "price": usd("9.99"),
        "stock": 10,
        "slug": "mug",
        "description": "=1+1",
        "category": ["Kitchen"],
        "tags": ["new"],
        "is_active": True,
        "metadata": {"colour": "blå"},
    }


async def test_a_deleted_product_is_not_handed_over(api: Api) -> None:
    mug = await api.product(sku="MUG")
    assert (await api.staff.delete(f"/v1/products/{mug['id']}")).status_code == 204
    assert (await api.staff.get(EXPORT)).text == f"{COLUMNS}\r\n"
    assert (await api.staff.get(f"{EXPORT}?format=ndjson")).text == ""


@pytest.mark.parametrize(("format", "content_type"), [("csv", "text/csv"), ("ndjson", NDJSON)])
async def test_what_is_exported_changes_nothing_where_it_came_from(
    api: Api, format: str, content_type: str
) -> None:
    await api.tag("new")
    for number in range(5):
        await api.product(sku=f"MUG-{number}", tags=["new"], metadata={"b": "'=1", "a": "\t"})
    exported = await api.staff.get(EXPORT, params={"format": format})
    async with api.unchanged():
        answer = await api.staff.post(
            "/v1/products/import", content=exported.content, content_type=content_type
        )
    assert content(answer, 200)["unchanged"] == 5


@pytest.mark.parametrize(("format", "content_type"), [("csv", "text/csv"), ("ndjson", NDJSON)])
async def test_another_shop_can_take_it_over_and_export_it_again(
    api: Api, format: str, content_type: str
) -> None:
    kitchen = await api.category(name="Pots > Pans")
    await api.tag("new")
    for number in range(5):
        await api.product(sku=f"MUG-{number}", tags=["new"], category_id=kitchen["id"])
    exported = await api.staff.get(EXPORT, params={"format": format})
    async with opened_memory() as opened:
        other = await api_of(opened)
        answer = await other.staff.post(
            "/v1/products/import", content=exported.content, content_type=content_type
        )
        assert content(answer, 200)["created"] == 5
        again = await other.staff.get(EXPORT, params={"format": format})
        assert again.content == exported.content


@in_memory
async def test_it_is_sent_as_it_is_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "BATCH", 2)
    for number in range(5):
        await api.product(sku=f"MUG-{number}")
    start, *bodies = await messages(api, "format=csv")
    assert start["status"] == 200
    pieces = [message["body"].decode() for message in bodies if message["body"]]
    assert [piece.count("MUG-") for piece in pieces] == [2, 2, 1]
    read = [*csv.reader(StringIO("".join(pieces)))]
    assert [row[0] for row in read[1:]] == [f"MUG-{number}" for number in range(5)]


@in_memory
async def test_only_staff_export(api: Api) -> None:
    for path in (EXPORT, f"{EXPORT}?format=ndjson"):
        problem(await api.nobody.get(path), 401, "unauthenticated")
        problem(await api.customer.get(path), 403, "forbidden")
        assert (await api.admin.get(path)).status_code == 200


@in_memory
async def test_there_are_two_formats(api: Api) -> None:
    for query in ("format=xml", "format=CSV", "format="):
        problem(await api.staff.get(f"{EXPORT}?{query}"), 422, "validation-error", "query format")
    answer = await api.staff.get(f"{EXPORT}?category=x")
    problem(answer, 422, "validation-error", "query category")
