"""JSON is taken by its strict reading, on every operation, and a refusal leaves nothing behind."""

import json
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    a_product,
    a_registration,
    content,
    in_memory,
    problem,
    transitions,
    usd,
)

PRODUCT: Final = '{"sku": "MUG", "name": "Mug", "price": {"amount": "7.99", "currency": "USD"}%s}'
WITH_A_BODY: Final = [
    ("POST", "/v1/users"),
    ("POST", "/v1/categories"),
    ("PATCH", f"/v1/categories/{NOWHERE}"),
    ("POST", "/v1/products"),
    ("POST", "/v1/products/bulk"),
    ("PATCH", f"/v1/products/{NOWHERE}"),
    ("POST", "/v1/orders"),
    ("POST", f"/v1/orders/{NOWHERE}/transitions"),
    ("POST", f"/v1/orders/{NOWHERE}/payments"),
    ("POST", f"/v1/orders/{NOWHERE}/refunds"),
]


def nested(depth: int, brackets: str = "[]") -> str:
    """Arrays or objects, one in the other, `depth` of them."""
    opening = brackets[0] + ('"a":' if brackets == "{}" else "")
    core = "{}" if brackets == "{}" else "[]"
    return opening * (depth - 1) + core + brackets[1] * (depth - 1)


MALFORMED: Final = {
    "blank": b"   ",
    "cut off": PRODUCT[:40].encode(),
    "without its end": (PRODUCT % "")[:-1].encode(),
    "two values": b"{} {}",
    "a trailing comma": (PRODUCT % ",").encode(),
    "single quotes": b"{'sku': 'MUG'}",
    "a bare word": b"sku",
    "a comment": b'{"sku": "MUG" /* the mug */}',
    "undefined": (PRODUCT % ', "stock": undefined').encode(),
    "NaN": (PRODUCT % ', "stock": NaN').encode(),
    "Infinity": (PRODUCT % ', "stock": Infinity').encode(),
    "-Infinity": (PRODUCT % ', "stock": -Infinity').encode(),
    "nan": (PRODUCT % ', "stock": nan').encode(),
    "a leading zero": (PRODUCT % ', "stock": 012').encode(),
    "a plus sign": (PRODUCT % ', "stock": +1').encode(),
    "hexadecimal": (PRODUCT % ', "stock": 0x1f').encode(),
    "no digit before the point": (PRODUCT % ', "stock": .5').encode(),
    "no digit after the point": (PRODUCT % ', "stock": 5.').encode(),
    "underscores": (PRODUCT % ', "stock": 1_000').encode(),
    "Arabic digits": (PRODUCT % ', "stock": ١٢').encode(),
    "the same key twice": (PRODUCT % ', "sku": "CUP"').encode(),
    "the same key twice, escaped": (PRODUCT % ', "\\u0073ku": "CUP"').encode(),
    "the same key twice, further down": (PRODUCT % ', "metadata": {"a": "b", "a": "b"}').encode(),
    "a raw line end in a string": b'{"sku": "a\nb"}',
    "a raw NUL in a string": b'{"sku": "a\0b"}',
    "an unknown escape": rb'{"sku": "\x41"}',
    "half an escape": rb'{"sku": "\u00"}',
    "not UTF-8": b'{"sku": "\xff"}',
    "an overlong UTF-8 form": b'{"sku": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"sku": "\xed\xa0\x80"}',
    "a key not in UTF-8": b'{"\xff": 1}',
    "Latin-1": '{"name": "Käse"}'.encode("latin-1"),
    "UTF-16": (PRODUCT % "").encode("utf-16"),
    "UTF-16 without a mark": (PRODUCT % "").encode("utf-16-le"),
    "UTF-32": (PRODUCT % "").encode("utf-32"),
    "a byte-order mark": b"\xef\xbb\xbf" + (PRODUCT % "").encode(),
    "33 arrays": nested(33).encode(),
    "33 objects": nested(33, "{}").encode(),
    "deep below a member": (PRODUCT % f', "metadata": {nested(32, "{}")}').encode(),
    "a thousand arrays": nested(1_000).encode(),
    "half a million arrays": nested(500_000).encode(),
    "a million brackets": b"[" * 1_000_000,
    "ten thousand objects": nested(10_000, "{}").encode(),
}


@in_memory
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_json_is_refused_before_anything_else(api: Api, body: bytes) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", content=body)
    problem(refused, 400, "malformed-json")


@in_memory
async def test_thirty_two_levels_are_not_too_deep(api: Api) -> None:
    for text, pointer in ((nested(32), ""), (nested(32, "{}"), "/a")):
        refused = await api.staff.post("/v1/categories", content=text.encode())
        places = [pointer] if pointer == "" else [pointer, "/name"]
        problem(refused, 422, "validation-error", *places)


@in_memory
@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("name", r'"a\u0000b"', "/name"),
        ("name", r'"a\u0001b"', "/name"),
        ("name", r'"a\u001bb"', "/name"),
        ("name", r'"a\u007fb"', "/name"),
        ("name", r'"a\u0085b"', "/name"),
        ("name", r'"\ud800"', "/name"),
        ("name", r'"\udfff\ud800"', "/name"),
        ("name", r'"\ud83d"', "/name"),
        ("name", r'"a\nb"', "/name"),
        ("name", r'"a\tb"', "/name"),
        ("description", r'"a\u0000b"', "/description"),
        ("description", r'"a\u000cb"', "/description"),
        ("description", r'"\ud800"', "/description"),
        ("sku", r'"\u0000"', "/sku"),
        ("sku", r'"A\n"', "/sku"),
        ("slug", r'"a\n"', "/slug"),
        ("stock", r'"\u0000"', "/stock"),
        ("metadata", r'{"size": "a\u0000"}', "/metadata/size"),
        ("metadata", r'{"size": "\ud800"}', "/metadata/size"),
        ("metadata", r'{"a\u0000": "b"}', "/metadata"),
        ("metadata", r'{"\ud800": "b"}', "/metadata"),
        ("metadata", r'{"a": {"b": ["c", "\u0000"]}}', "/metadata/a/b/1"),
        ("unknown", r'"\u0000"', "/unknown"),
        (r"\u0000", "1", ""),
        (r"\ud800", "1", ""),
    ],
)
async def test_text_without_a_meaning_is_refused_where_it_stands(
    api: Api, member: str, value: str, pointer: str
) -> None:
    product = {name: json.dumps(value) for name, value in a_product().items()} | {member: value}
    body = ", ".join(f'"{name}": {text}' for name, text in product.items())
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", content=f"{{{body}}}".encode())
    found = problem(refused, 422, "validation-error", pointer)
    assert "\\u0000" not in json.dumps(found)


async def test_free_text_keeps_its_tabs_line_ends_and_all_of_unicode(api: Api) -> None:
    text = "Tab\t, lines\n and\r\n, «ß», 日本, 👩‍👩‍👧, \u202e, e\u0301, <b>&amp;</b>, '; DROP TABLE"
    product = await api.product(description=text, metadata={"how <b>": text})
    found = await api.product_now(product)
    assert (found["description"], found["metadata"]) == (text, {"how <b>": text})


async def test_a_pair_of_surrogates_is_the_character_that_it_stands_for(api: Api) -> None:
    body = (PRODUCT % r', "description": "\ud83d\ude00"').encode()
    created = content(await api.staff.post("/v1/products", content=body), 201)
    assert (await api.product_now(created))["description"] == "😀"


@in_memory
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"stock": "5"}, "/stock"),
        ({"stock": True}, "/stock"),
        ({"stock": 5.0}, "/stock"),
        ({"stock": 5.5}, "/stock"),
        ({"stock": None}, "/stock"),
        ({"stock": [5]}, "/stock"),
        ({"is_active": 1}, "/is_active"),
        ({"is_active": 0}, "/is_active"),
        ({"is_active": "true"}, "/is_active"),
        ({"is_active": None}, "/is_active"),
        ({"name": 5}, "/name"),
        ({"name": True}, "/name"),
        ({"name": ["Mug"]}, "/name"),
        ({"name": None}, "/name"),
        ({"sku": 5}, "/sku"),
        ({"slug": 5}, "/slug"),
        ({"description": None}, "/description"),
        ({"description": 5}, "/description"),
        ({"category_id": 5}, "/category_id"),
        ({"metadata": {"size": 5}}, "/metadata/size"),
        ({"metadata": {"size": None}}, "/metadata/size"),
        ({"metadata": {"size": True}}, "/metadata/size"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": None}, "/metadata"),
        ({"price": "7.99"}, "/price"),
        ({"price": 7.99}, "/price"),
        ({"price": None}, "/price"),
        ({"price": usd(True)}, "/price/amount"),
        ({"price": usd(None)}, "/price/amount"),
        ({"price": usd([1])}, "/price/amount"),
        ({"price": usd({"amount": 1})}, "/price/amount"),
        ({"price": {"amount": "1", "currency": 840}}, "/price/currency"),
    ],
)
async def test_a_value_of_another_type_is_not_turned_into_one(
    api: Api, changes: dict[str, Any], pointer: str
) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(**changes))
    blamed = {error["pointer"] for error in refused.json()["errors"]}
    # Without a currency an amount cannot be read, so it may be blamed as well.
    assert blamed - {"/price/amount"} <= {pointer, "/price/currency"}
    assert any(place.startswith(pointer) for place in blamed)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation-error")


@in_memory
@pytest.mark.parametrize("member", ["username", "email", "password"])
@pytest.mark.parametrize("value", [5, True, None, ["x"], {"x": "y"}])
async def test_nor_is_one_in_a_registration(api: Api, member: str, value: Any) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/users", a_registration(**{member: value}))
    problem(refused, 422, "validation-error", f"/{member}")


@in_memory
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"to": 5}, "/to"),
        ({"to": True}, "/to"),
        ({"to": "Confirmed"}, "/to"),
        ({"to": "pending"}, "/to"),
        ({"to": None}, "/to"),
        ({}, "/to"),
        ({"to": "confirmed", "reason": 5}, "/reason"),
        ({"to": "shipped", "tracking_number": 5}, "/tracking_number"),
        ({"to": "shipped", "tracking_number": " "}, "/tracking_number"),
    ],
)
async def test_nor_is_one_in_a_transition(api: Api, body: Any, pointer: str) -> None:
    order = await api.order()
    async with api.unchanged():
        refused = await api.staff.post(transitions(order), body)
    problem(refused, 422, "validation-error", pointer)


@in_memory
async def test_every_missing_member_is_named_at_once(api: Api) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", {})
        problem(refused, 422, "validation-error", "/sku", "/name", "/price")
        refused = await api.nobody.post("/v1/users", {"full_name": ""})
        problem(refused, 422, "validation-error", "/username", "/email", "/password", "/full_name")
        refused = await api.staff.post("/v1/orders", {"items": [{}, {"quantity": 1}]})
        problem(refused, 422, "validation-error", "/items/0/quantity", "/items/1")
