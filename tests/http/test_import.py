"""A catalog that is sent as a file."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from application.catalog import loading
from application.catalog.loading import MOST_REPORTED
from domain.catalog.product import LARGEST_STOCK
from tests.builders import PASSWORD
from tests.http.api import (
    NDJSON,
    PROBLEM,
    Api,
    Caller,
    Json,
    api_of,
    content,
    in_memory,
    in_sql,
    opened_memory,
    problem,
    rows,
    usd,
)
from tests.servers import run_tradepost, running_server

IMPORT: Final = "/v1/products/import"
SKIP: Final = f"{IMPORT}?on_error=skip"
CSV: Final = "text/csv"
LIMIT: Final = 5_000  # bytes


def table(*lines: str, header: str = "sku,name,price") -> bytes:
    return "".join(f"{line}\r\n" for line in (header, *lines)).encode()


def objects(*members: Json) -> bytes:
    return "".join(f"{json.dumps(one)}\n" for one in members).encode()


def a_mug(**changes: Any) -> Json:
    return {"sku": "MUG", "name": "Mug", "price": usd("7.99"), **changes}


MUG: Final = table("MUG,Mug,7.99")


async def send(
    who: Caller, file: bytes, path: str = IMPORT, *, content_type: str = CSV, **options: Any
) -> httpx.Response:
    return await who.post(path, content=file, content_type=content_type, **options)


def counts(answer: httpx.Response) -> tuple[int, int, int, int]:
    found = content(answer, 200)
    assert {*found} == {"created", "updated", "unchanged", "failed", "errors"}
    return found["created"], found["updated"], found["unchanged"], found["failed"]


def refused(answer: httpx.Response, status: int, code: str, row: int, field: str | None) -> str:
    """What is wrong with the row that a problem blames."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM), answer.text
    found = answer.json()
    assert (found["code"], found["status"], found["row"]) == (code, status, row), found
    [error] = found["errors"]
    assert error["row"] == row
    assert error.get("field") == field, found
    return str(error["detail"])


async def skus(api: Api) -> dict[str, Json]:
    """Every product by its sku."""
    listed = await api.staff.get("/v1/products", params={"limit": 100})
    return {row["sku"]: row for row in rows(listed)}


async def test_a_table_is_taken_over(api: Api) -> None:
    file = table(
        'MUG,"Big mug, blue",7.99,EUR,5,big-mug,"To ""drink""\nfrom",Kitchen > Cups,sale new,'
        'true,"{""colour"":""blue""}"',
        "cup,Cup,3.5,,,,,,,false,",
        header="sku,name,price,currency,stock,slug,description,category,tags,is_active,metadata",
    )
    assert counts(await send(api.staff, file)) == (2, 0, 0, 0)
    mug = content(await api.nobody.get("/v1/products/by-sku/MUG"), 200)
    assert mug["price"] == {"amount": "7.99", "currency": "EUR"}
    assert (mug["name"], mug["stock"], mug["slug"]) == ("Big mug, blue", 5, "big-mug")
    assert (mug["description"], mug["tags"]) == ('To "drink"\nfrom', ["new", "sale"])
    assert (mug["category"]["name"], mug["metadata"]) == ("Cups", {"colour": "blue"})
    cup = content(await api.staff.get("/v1/products/by-sku/CUP"), 200)
    assert (cup["price"], cup["stock"], cup["slug"]) == (usd("3.50"), 0, "cup")
    assert (cup["is_active"], cup["category"], cup["tags"]) == (False, None, [])
    [movement] = rows(await api.staff.get(f"/v1/products/{mug['id']}/stock-movements"))
    assert (movement["change"], movement["cause"], movement["actor_id"]) == (
        5,
        "import",
        api.staff.id,
    )
    assert counts(await send(api.staff, file)) == (0, 0, 2, 0)


@pytest.mark.parametrize("content_type", [NDJSON, "application/ndjson", "application/jsonl"])
@in_memory
async def test_lines_of_json_are_taken_over(api: Api, content_type: str) -> None:
    file = objects(
        a_mug(stock=5, category=["Kitchen", "Cups"], tags=["new"], metadata={"colour": "blue"}),
        a_mug(sku="CUP", price=usd(3.5), category=None),
    )
    assert counts(await send(api.staff, file, content_type=content_type)) == (2, 0, 0, 0)
    found = await skus(api)
    assert found["MUG"]["category"]["name"] == "Cups"
    assert found["CUP"]["price"] == usd("3.50")
    assert counts(await send(api.staff, file, content_type=content_type)) == (0, 0, 2, 0)


async def test_a_price_without_a_currency_is_in_that_of_the_shop() -> None:
    async with opened_memory(currency="JPY") as opened:
        api = await api_of(opened)
        refused(await send(api.staff, MUG), 422, "invalid-value", 2, "price")
        assert counts(await send(api.staff, table("MUG,Mug,799"))) == (1, 0, 0, 0)
        assert (await skus(api))["MUG"]["price"] == {"amount": "799", "currency": "JPY"}


BAD_TABLES: Final[list[tuple[bytes, int, str]]] = [
    (table("MUG,Mug,1", "CUP,\0,1"), 3, "name"),
    (b"sku,name,price\nMUG,Mug,1\nCUP,\xff,1\n", 3, "name"),
    (b"sku,name,price\nMUG,Mug,1\nCUP,Cup\n", 3, "row"),
    (b"sku,name,price\nMUG,Mug,1\nCUP,Cup,1,1\n", 3, "row"),
    (b'sku,name,price\nMUG,Mug,1\nCUP,"Cup,1\n', 3, "row"),
    (b'sku,name,price\nMUG,Mug,1\nCUP,"C"up,1\n', 3, "row"),
    (table("MUG,Mug,1", f"CUP,{'a' * (1 << 20)},1"), 3, "row"),
    (table("MUG,Mug,1", "CUP,,1"), 3, "name"),
    (table("MUG,Mug,1", "CUP,Cup,"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,1e400"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,1e2"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,NaN"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,Infinity"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,-1"), 3, "price"),
    (table("MUG,Mug,1", "CUP,Cup,1.999"), 3, "price"),
    (table("MUG,Mug,1", f"CUP,Cup,{'9' * 400}"), 3, "price"),
    (table("MUG,Mug,1", "C P,Cup,1"), 3, "sku"),
    (table("MUG,Mug,1", ",Cup,1"), 3, "sku"),
    (table("MUG,Mug,1,5", f"CUP,Cup,1,{LARGEST_STOCK + 1}", header="sku,name,price,stock"), 3,
     "stock"),
    (table("MUG,Mug,1,5", f"CUP,Cup,1,{'9' * 5_000}", header="sku,name,price,stock"), 3, "stock"),
    (table("MUG,Mug,1,5", "CUP,Cup,1,-1", header="sku,name,price,stock"), 3, "stock"),
    (table("MUG,Mug,1,USD", "CUP,Cup,1,XXX", header="sku,name,price,currency"), 3, "currency"),
    (table("MUG,Mug,1,a", "CUP,Cup,1,a > ", header="sku,name,price,category"), 3, "category"),
    (table("MUG,Mug,1,a", "CUP,Cup,1,A", header="sku,name,price,tags"), 3, "tags"),
    (table("MUG,Mug,1,{}", "CUP,Cup,1,{", header="sku,name,price,metadata"), 3, "metadata"),
    (table("MUG,Mug,1,1", "CUP,Cup,1,perhaps", header="sku,name,price,is_active"), 2,
     "is_active"),
]  # fmt: skip

BAD_OBJECTS: Final[list[tuple[bytes, str]]] = [
    (b'{"sku": "CUP"}', "name"),
    (b'{"sku": "CUP", "name": "Cup", "price": {"amount": 1e400, "currency": "USD"}}', "price"),
    (b'{"sku": "CUP", "name": "Cup", "price": {"amount": NaN, "currency": "USD"}}', "row"),
    (b'{"sku": "CUP", "name": "Cup", "price": 1}', "price"),
    (b'{"sku": "CUP", "name": "\xff", "price": 1}', "name"),
    (b'{"sku": "CUP", "name": "Cup", "name": "Cup"}', "row"),
    (b'{"sku": "CUP", "colour": "red"}', "colour"),
    (b'{"sku": "CUP", "name"', "row"),
    (b"[]", "row"),
    (b"[" * 100_000, "row"),
    (objects(a_mug(sku="CUP", stock=LARGEST_STOCK + 1)), "stock"),
    (objects(a_mug(sku="CUP", stock="5")), "stock"),
    (objects(a_mug(sku="CUP", stock=5.0)), "stock"),
    (objects(a_mug(sku="CUP", stock=True)), "stock"),
    (objects(a_mug(sku="CUP", tags="new")), "tags"),
    (objects(a_mug(sku="CUP", description="d" * 10_001)), "description"),
]


@pytest.mark.parametrize(
    ("file", "row", "field"), BAD_TABLES, ids=lambda value: str(value)[-40:] if value else ""
)
@in_memory
async def test_a_bad_row_of_a_table_is_named_and_nothing_is_kept(
    api: Api, file: bytes, row: int, field: str
) -> None:
    async with api.unchanged():
        assert refused(await send(api.staff, file), 422, "invalid-value", row, field)


@pytest.mark.parametrize(
    ("file", "field"), BAD_OBJECTS, ids=lambda value: str(value)[:60] if value else ""
)
@in_memory
async def test_a_bad_line_of_json_is_named_and_can_be_skipped(
    api: Api, file: bytes, field: str
) -> None:
    whole = objects(a_mug()) + b"\n" + file + b"\n" + objects(a_mug(sku="POT"))
    async with api.unchanged():
        answer = await send(api.staff, whole, content_type=NDJSON)
        assert refused(answer, 422, "invalid-value", 3, field)
    answer = await send(api.staff, whole, SKIP, content_type=NDJSON)
    assert counts(answer) == (2, 0, 0, 1)
    [error] = answer.json()["errors"]
    assert {**error, "detail": ""} == {
        "row": 3,
        "field": field,
        "code": "invalid-value",
        "detail": "",
    }
    assert {*await skus(api)} == {"MUG", "POT"}


async def test_a_refused_row_leaves_nothing_after_many_batches(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    lines = [f"MUG-{n},Mug,1,{n},Kitchen > Cups,new" for n in range(7)]
    header = "sku,name,price,stock,category,tags"
    async with api.unchanged():
        answer = await send(api.staff, table(*lines, "CUP,,1,1,,", header=header))
        assert refused(answer, 422, "invalid-value", 9, "name") == "is blank"
    answer = await send(api.staff, table(*lines, "CUP,,1,1,,", header=header), SKIP)
    assert counts(answer) == (7, 0, 0, 1)
    assert answer.json()["errors"] == [
        {"row": 9, "field": "name", "code": "invalid-value", "detail": "is blank"}
    ]
    assert len(await skus(api)) == 7


@in_memory
async def test_of_two_rows_with_one_sku_the_second_is_refused(api: Api) -> None:
    file = table("MUG,Mug,1", "CUP,Cup,1", "mug,Mug,1")
    async with api.unchanged():
        detail = refused(await send(api.staff, file), 422, "duplicate-row", 4, "sku")
        assert detail == "row 2 has the same sku"
    answer = await send(api.staff, file, SKIP)
    assert counts(answer) == (2, 0, 0, 1)
    assert answer.json()["errors"][0]["code"] == "duplicate-row"


async def test_a_slug_that_is_taken_is_a_conflict(api: Api) -> None:
    await api.product(slug="taken")
    file = table("MUG,Mug,1,mug", "CUP,Cup,1,taken", header="sku,name,price,slug")
    async with api.unchanged():
        assert refused(await send(api.staff, file), 409, "duplicate", 3, "slug")
    answer = await send(api.staff, file, SKIP)
    assert counts(answer) == (1, 0, 0, 1)
    assert [(one["row"], one["field"]) for one in answer.json()["errors"]] == [(3, "slug")]


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        (b"sku,name\nMUG,Mug\n", "the header lacks 'price'"),
        (b"sku;name;price\nMUG;Mug;1\n", "the header lacks 'sku', 'name', 'price'"),
        (b"sku,name,price,colour\nMUG,Mug,1,red\n", "the header has the unknown 'colour'"),
        (b"sku,name,price,sku\nMUG,Mug,1,MUG\n", "the header repeats 'sku'"),
        (b"\n", "the header lacks 'sku', 'name', 'price'"),
        ("sku,name,price\nMUG,Mug,1\n".encode("utf-16"), "the header lacks"),
    ],
)
@pytest.mark.parametrize("path", [IMPORT, SKIP])
@in_memory
async def test_a_table_without_its_columns_is_of_no_use(
    api: Api, path: str, file: bytes, complaint: str
) -> None:
    async with api.unchanged():
        answer = await send(api.staff, file, path)
        assert problem(answer, 422, "unusable-file")["detail"].startswith(complaint)


@in_memory
async def test_only_so_many_bad_rows_are_named_but_all_are_counted(api: Api) -> None:
    file = table(*(f"MUG-{n},,1" for n in range(MOST_REPORTED + 1)), "CUP,Cup,1")
    answer = await send(api.staff, file, SKIP)
    assert counts(answer) == (1, 0, 0, MOST_REPORTED + 1)
    assert len(answer.json()["errors"]) == MOST_REPORTED


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain",
        "text/csv; charset=iso-8859-1",
        "multipart/form-data; boundary=x",
        "",
    ],
)
@in_memory
async def test_a_file_of_another_type_is_not_taken(api: Api, content_type: str) -> None:
    async with api.unchanged():
        answer = await send(api.staff, MUG, content_type=content_type)
        problem(answer, 415, "unsupported-media-type")


@in_memory
async def test_a_compressed_file_is_not_taken(api: Api) -> None:
    answer = await send(api.staff, MUG, headers={"Content-Encoding": "gzip"})
    problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["text/csv; charset=UTF-8", 'TEXT/CSV;charset="utf-8"'])
@in_memory
async def test_a_type_may_say_that_it_is_utf8(api: Api, content_type: str) -> None:
    assert counts(await send(api.staff, MUG, content_type=content_type)) == (1, 0, 0, 0)


@in_memory
async def test_no_file_at_all_is_malformed(api: Api) -> None:
    problem(await send(api.staff, b""), 400, "malformed-file")


async def in_pieces(file: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(file), 1_000):
        yield file[start : start + 1_000]


async def test_a_file_may_be_larger_than_other_bodies_and_has_its_own_limit() -> None:
    async with opened_memory(max_body_bytes=1_024, max_import_bytes=LIMIT) as opened:
        api = await api_of(opened)
        lines = [f"MUG-{n},Mug,1" for n in range(1_000)]
        small = table(*lines)[:LIMIT]
        small = small[: small.rindex(b"\n") + 1]
        large = table(*lines)
        assert 1_024 < len(small) <= LIMIT < len(large)
        for file in (large, in_pieces(large)):
            async with api.unchanged():
                answer = await api.staff.post(IMPORT, content=file, content_type=CSV)
                problem(answer, 413, "payload-too-large")
        problem(await api.staff.post("/v1/products", {"name": "n" * 2_000}), 413,
                "payload-too-large")  # fmt: skip
        answer = await api.staff.post(IMPORT, content=in_pieces(small), content_type=CSV)
        assert counts(answer)[1:] == (0, 0, 0)
        assert counts(await send(api.staff, small))[2] > 200


@in_memory
async def test_only_staff_import(api: Api) -> None:
    async with api.unchanged():
        problem(await send(api.nobody, MUG), 401, "unauthenticated")
        for path in (IMPORT, SKIP, f"{IMPORT}?dry_run=true"):
            problem(await send(api.customer, MUG, path), 403, "forbidden")
    assert counts(await send(api.admin, MUG)) == (1, 0, 0, 0)


@in_memory
async def test_the_file_of_somebody_who_may_not_import_is_not_even_read(api: Api) -> None:
    read = []

    async def watched() -> AsyncIterator[bytes]:
        async for piece in in_pieces(table(*(f"MUG-{n},Mug,1" for n in range(1_000)))):
            read.append(piece)
            yield piece

    for who, status in ((api.nobody, 401), (api.customer, 403)):
        answer = await who.post(IMPORT, content=watched(), content_type=CSV)
        assert answer.status_code == status
    assert read == []


@in_memory
async def test_what_is_to_become_of_bad_rows_is_one_of_two_things(api: Api) -> None:
    answer = await send(api.staff, MUG, f"{IMPORT}?on_error=perhaps")
    problem(answer, 422, "validation-error", "query on_error")
    answer = await send(api.staff, MUG, f"{IMPORT}?on_eror=skip")
    problem(answer, 422, "validation-error", "query on_eror")


async def test_the_same_key_has_its_effect_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    file = table(*(f"MUG-{n},Mug,1" for n in range(5)), "CUP,,1")
    first = await send(api.staff, file, SKIP, key="a")
    assert counts(first) == (5, 0, 0, 1)
    async with api.unchanged():
        again = await send(api.staff, file, SKIP, key="a")
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["Idempotent-Replayed"] == "true"
        reused = await send(api.staff, file + b"POT,Pot,1\r\n", SKIP, key="a")
        problem(reused, 422, "idempotency-key-reused")
        problem(await send(api.staff, file, key="a"), 422, "idempotency-key-reused")
    assert counts(await send(api.staff, file, SKIP, key="b")) == (0, 0, 5, 1)


async def test_a_conflict_is_kept_under_its_key(api: Api) -> None:
    await api.product(slug="taken")
    file = table("MUG,Mug,1,taken", header="sku,name,price,slug")
    first = await send(api.staff, file, key="a")
    refused(first, 409, "duplicate", 2, "slug")
    again = await send(api.staff, file, key="a")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content


async def test_a_bad_file_is_not_kept_under_its_key_and_can_be_mended(api: Api) -> None:
    async with api.unchanged():
        refused(await send(api.staff, table("MUG,,1"), key="a"), 422, "invalid-value", 2, "name")
        problem(await send(api.staff, b"sku\n", key="a"), 422, "unusable-file")
    assert counts(await send(api.staff, MUG, key="a")) == (1, 0, 0, 0)


@pytest.mark.parametrize("on_error", ["abort", "skip"])
async def test_a_rehearsal_says_what_would_be_and_changes_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    await api.product(sku="MUG-1", name="Old", stock=9)
    lines = [f"MUG-{n},Mug,1,{n},Kitchen > Cups,new" for n in range(5)]
    file = table(*lines, header="sku,name,price,stock,category,tags")
    path = f"{IMPORT}?on_error={on_error}"
    async with api.unchanged():
        rehearsed = await send(api.staff, file, f"{path}&dry_run=true")
        bad = await send(api.staff, file + b"CUP,,1,1,,\r\n", f"{path}&dry_run=true")
    assert counts(rehearsed) == (4, 1, 0, 0)
    if on_error == "skip":
        assert counts(bad) == (4, 1, 0, 1)
    else:
        refused(bad, 422, "invalid-value", 7, "name")
    assert content(await send(api.staff, file, path), 200) == rehearsed.json()


@in_sql
async def test_the_same_file_twice_at_once_makes_each_product_once(api: Api) -> None:
    file = table(*(f"MUG-{n},Mug,1" for n in range(50)))
    answers = await asyncio.gather(*(send(api.staff, file) for _ in range(3)))
    assert sorted(map(counts, answers)) == [(0, 0, 50, 0), (0, 0, 50, 0), (50, 0, 0, 0)]


def test_a_client_that_hangs_up_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    environment = {"TRADEPOST_DATABASE_URL": f"sqlite:///{tmp_path}/shop.db"}
    admin = ("users", "create-admin", "--username", "admin", "--email", "admin@example.com")
    run_tradepost(
        *admin, environment={**environment, "TRADEPOST_PASSWORD": PASSWORD}, folder=tmp_path
    )
    with ExitStack() as stack:
        url = httpx.URL(stack.enter_context(running_server(environment, log)))
        http = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
        token = http.post("/v1/auth/token", data=form).json()["access_token"]
        whole = table(*(f"MUG-{n},Mug,1" for n in range(2_000)))
        head = (
            f"POST {IMPORT} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: text/csv\r\nContent-Length: {len(whole)}\r\n\r\n"
        )
        for sent in (0, 1, len(whole) // 2, len(whole) - 1):
            with closing(socket.create_connection((url.host, url.port or 80))) as client:
                client.sendall(head.encode() + whole[:sent])
        # Whoever comes after them finds the service as it was, and nobody waiting.
        answer = http.post(
            f"{IMPORT}?dry_run=true",
            content=whole,
            headers={"Authorization": f"Bearer {token}", "Content-Type": CSV},
        )
        assert answer.json()["created"] == 2_000
        assert http.get("/v1/products").json()["items"] == []
    told = log.read_text()
    for word in ("Traceback", "unforeseen", "ClientDisconnect", "status=500", "MUG-1"):
        assert word not in told
