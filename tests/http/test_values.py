"""Numbers, money, text and names that do not fit their fields, each refused where it stands."""

import json
from typing import Any, Final

import pytest

from tests.http.api import (
    NOWHERE,
    Api,
    Json,
    a_category,
    a_product,
    a_registration,
    an_address,
    basket,
    content,
    in_memory,
    money,
    problem,
    usd,
)

LARGEST_STOCK: Final = 2_147_483_647
BOMB: Final = "a" * 50_000 + "!"
EMOJI: Final = "😀"


def number(text: str) -> bytes:
    """A product whose price is this number, digit by digit."""
    product = json.dumps(a_product(price=usd("$")))
    return product.replace('"$"', text).encode()


@in_memory
@pytest.mark.parametrize(
    "amount",
    [
        "-0.01",
        "-1",
        "1.005",
        "1.000",
        "0.001",
        "10000000000.00",
        "99999999999.99",
        "999999999999999",
        "9999999999999999",
        "1E+5",
        "1e5",
        "1E+1000000",
        "1e-2",
        " 1 ",
        "1 ",
        "1\n",
        "+1",
        "1_000",
        "1,000",
        "1,5",
        "1.",
        ".5",
        "01.00",
        "00",
        "--1",
        "1.0.0",
        "$1.00",
        "1.00 USD",
        "١٢",
        "１２",
        "½",
        "∞",
        "NaN",
        "nan",
        "Infinity",
        "inf",
        "-",
        "",
        "0x1f",
        "1" * 5_000,
        "0." + "0" * 5_000,
        "1e" + "9" * 5_000,
    ],
)
async def test_what_is_no_plain_amount_of_its_currency_is_no_price(api: Api, amount: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(price=usd(amount)))
    assert refused.json()["errors"][0]["pointer"].startswith("/price")
    problem(refused, 422, "validation-error", refused.json()["errors"][0]["pointer"])


@in_memory
@pytest.mark.parametrize(
    "text",
    [
        "-0.01",
        "-1",
        "0.005",
        "7.999",
        "7.990",
        "1e-3",
        "1e400",
        "-1e400",
        "1e1000000",
        "1e9999999999999999999",
        "1e-9999999999999999999",
        "10000000000",
        "9" * 20,
        "9" * 21,
        "9" * 400,
        "9" * 401,
        "9" * 4_300,
        "9" * 10_000,
        "9" * 900_000,
        "0." + "0" * 397 + "1",
        "1." + "0" * 397 + "e5",
        "1." + "0" * 396 + "e5",
        "1." + "0" * 396 + "e-5",
        "1." + "9" * 900_000,
    ],
    ids=lambda text: f"{text[:12]}…{len(text)}",
)
async def test_nor_is_a_number_that_does_not_fit(api: Api, text: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", content=number(text))
    assert refused.json()["errors"][0]["pointer"].startswith("/price")
    problem(refused, 422, "validation-error", refused.json()["errors"][0]["pointer"])


@in_memory
@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0", "0.00"),
        ("0.1", "0.10"),
        ("0.29", "0.29"),
        ("1.1", "1.10"),
        ("4.35", "4.35"),
        ("1e2", "100.00"),
        ("9999999999.99", "9999999999.99"),
    ],
)
async def test_a_number_that_fits_is_exact(api: Api, text: str, price: str) -> None:
    created = content(await api.staff.post("/v1/products", content=number(text)), 201)
    assert created["price"] == usd(price)


async def test_the_dearest_product_costs_what_it_costs_everywhere(api: Api) -> None:
    for currency, amount in (("USD", "9999999999.99"), ("JPY", "999999999999"), ("KWD", "0.000")):
        product = await api.product(price=money(amount, currency))
        assert (await api.product_now(product))["price"] == money(amount, currency)


@in_memory
@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.5", "JPY"),
        ("1.0", "JPY"),
        ("0.0001", "KWD"),
        ("0.00001", "CLF"),
        ("1000000000000", "JPY"),
    ],
)
async def test_each_currency_has_digits_of_its_own(api: Api, amount: str, currency: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(price=money(amount, currency)))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] in ("/price/amount", "/price")


@in_memory
@pytest.mark.parametrize(
    "currency",
    ["usd", "Usd", "US", "USDD", "XXX", "XAU", "XTS", "DEM", "€", "", " USD", "USD ", "840"],
)
async def test_an_unknown_currency_is_refused(api: Api, currency: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(price=money("1", currency)))
    blamed = [error["pointer"] for error in refused.json()["errors"]]
    assert (refused.status_code, blamed[0]) == (422, "/price/currency")


@in_memory
@pytest.mark.parametrize(
    "quantity",
    [
        0,
        -1,
        1.5,
        1.0,
        True,
        False,
        "5",
        None,
        1_000_001,
        2**31,
        2**63,
        2**64,
        -(2**63),
        10**20,
        10**400,
    ],
    ids=lambda quantity: str(quantity)[:22],
)
async def test_a_quantity_is_a_whole_number_up_to_a_million(api: Api, quantity: Any) -> None:
    product = await api.product()
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", basket((product, quantity)))
    problem(refused, 422, "validation-error", "/items/0/quantity")


@in_memory
@pytest.mark.parametrize(
    "text", ["1e20", "1e1000000", "1e9999999999999999999", "1.0", "1e0", "-0.0"]
)
async def test_nor_is_a_number_with_a_point_or_an_exponent_a_quantity(api: Api, text: str) -> None:
    product = await api.product()
    body = json.dumps(basket((product, 7777))).replace("7777", text).encode()
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", content=body)
    problem(refused, 422, "validation-error", "/items/0/quantity")


async def test_a_million_of_one_product_can_be_ordered(api: Api) -> None:
    product = await api.product(stock=LARGEST_STOCK, price=usd("0.01"))
    order = await api.order(product, quantity=1_000_000)
    assert order["total"] == usd("10000.00")
    assert await api.stock(product) == [LARGEST_STOCK - 1_000_000]


@in_memory
@pytest.mark.parametrize("stock", [-1, LARGEST_STOCK + 1, 2**63, 2**64, 10**400])
async def test_a_stock_fits_31_bits(api: Api, stock: int) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(stock=stock))
    problem(refused, 422, "validation-error", "/stock")


async def test_an_order_beyond_all_measure_is_refused_before_anything_is_taken(api: Api) -> None:
    dear = [await api.product(price=usd("9999999999.99"), stock=1_000_000) for _ in range(2)]
    async with api.unchanged():
        refused = await api.customer.post(
            "/v1/orders", basket(*((each, 1_000_000) for each in dear))
        )
    found = problem(refused, 422, "order-too-large")
    assert found["largest"] == usd("9999999999999.99")


def long(limit: int) -> list[str]:
    return ["x" * (limit + 1), EMOJI * (limit + 1)]


NO_SKUS: Final = (
    "", " ", "A B", "A_B", "A/B", "Ä", "ＡＢ", "A\u200b", "-\n", "A" * 51, "١", BOMB,
)  # fmt: skip
NO_SLUGS: Final = (
    "", "A", "a b", "a/b", "../", "%2e%2e", "a_b", "ä", "a\n", "a" * 201, BOMB,
)  # fmt: skip
NO_IDS: Final = (
    "", "1", "abc", NOWHERE.replace("-", ""), f"{{{NOWHERE}}}", f"urn:uuid:{NOWHERE}",
    f" {NOWHERE}", NOWHERE + "\n", NOWHERE[:-1] + "g", "０" * 36,
)  # fmt: skip
PRODUCT: Final[list[tuple[Json, str]]] = [
    *(({"name": name}, "/name") for name in ("", " ", "\u3000", "a\nb", "a\tb", *long(200))),
    *(({"description": text}, "/description") for text in long(10_000)),
    *(({"sku": sku}, "/sku") for sku in NO_SKUS),
    *(({"slug": slug}, "/slug") for slug in NO_SLUGS),
    *(({"category_id": id}, "/category_id") for id in NO_IDS),
    *(({"metadata": {key: "x"}}, f"/metadata/{key}") for key in ("", " ", "a\nb")),
    *(({"metadata": {"k": value}}, "/metadata/k") for value in long(500)),
    ({"metadata": {f"k{n}": "x" for n in range(51)}}, "/metadata"),
]


@in_memory
@pytest.mark.parametrize(("changes", "pointer"), PRODUCT, ids=lambda each: str(each)[:40])
async def test_text_that_does_not_fit_its_field_is_refused(
    api: Api, changes: Json, pointer: str
) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/products", a_product(**changes))
    blamed = [error["pointer"] for error in refused.json()["errors"]]
    assert (refused.status_code, len(blamed)) == (422, 1), refused.text[:500]
    assert blamed[0].startswith(pointer)


@in_memory
@pytest.mark.parametrize("letter", ["x", EMOJI, "日"])
async def test_lengths_are_counted_in_code_points(api: Api, letter: str) -> None:
    longest = {
        "name": letter * 200,
        "description": letter * 10_000,
        "metadata": {f"{letter * 37}{n:03}": letter * 500 for n in range(50)},
    }
    product = await api.product(**longest)
    found = await api.product_now(product)
    assert {name: found[name] for name in longest} == longest


async def test_the_longest_text_fits_every_storage(api: Api) -> None:
    product = await api.product(
        sku="A" * 50, slug="a" * 200, name=EMOJI * 200, description=EMOJI * 10_000
    )
    found = await api.product_now(product)
    assert (found["sku"], found["slug"]) == ("A" * 50, "a" * 200)
    assert (found["name"], found["description"]) == (EMOJI * 200, EMOJI * 10_000)
    note = EMOJI * 2_000
    placed = await api.customer.post("/v1/orders", basket((product, 1)) | {"note": note})
    assert content(placed, 201)["note"] == note


@in_memory
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        *(({"name": name}, "/name") for name in ("", "  ", "a\rb", *long(200))),
        *(({"slug": slug}, "/slug") for slug in ("", "A", "a b", "../x", "a" * 201)),
        *(({"description": text}, "/description") for text in long(10_000)),
        ({"parent_id": "root"}, "/parent_id"),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_so_it_is_in_a_category(api: Api, changes: Json, pointer: str) -> None:
    async with api.unchanged():
        refused = await api.staff.post("/v1/categories", a_category(**changes))
    problem(refused, 422, "validation-error", pointer)


ADDRESSES: Final = (
    "", " ", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a da@example.com",
    "ada@exa mple.com", "ada@example..com", ".ada@example.com", "ada.@example.com", "ada@-x.com",
    "ada@example.com\n", "ada@example.com\r\nBcc: eve@example.com", "ada\u0000@example.com",
    '"ada"@example.com', '"a b"@example.com', "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@localhost",
    "Ada <ada@example.com>", "ada@example.com, eve@example.com", "a" * 65 + "@example.com",
    "ada@" + "a" * 64 + ".com", "ada@" + "a." * 125 + "com", "ada@example.com.", "ada@ex_ample.com",
    "ﷺ" * 64 + "@example.com",
)  # fmt: skip

NO_USERNAMES: Final = (
    "", "ab", "a b", "a-b", "a.b", "a@b", "ada\u200b", "adа", "\u202eada",
    "ada\n", "a" * 51, BOMB,
)  # fmt: skip
NO_PASSWORDS: Final = (
    "", "Short-7", "no-capital-9", "No-digit-here", "NUL-\u0000-NUL-9", "Digit-is-١",
    "A1" + "x" * 127, "A1" + "x" * 1_023, "A1" + "x" * 900_000,
)  # fmt: skip


@in_memory
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        *(({"email": email}, "/email") for email in ADDRESSES),
        *(({"username": name}, "/username") for name in NO_USERNAMES),
        *(({"password": password}, "/password") for password in NO_PASSWORDS),
        *(({"full_name": name}, "/full_name") for name in ("", " ", "a\nb", *long(200))),
    ],
    ids=lambda each: str(each)[:40],
)
async def test_so_it_is_in_a_registration(api: Api, changes: Json, pointer: str) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/users", a_registration(**changes))
    problem(refused, 422, "validation-error", pointer)


@in_memory
@pytest.mark.parametrize("blank", ["\t", "\n", "\r\n"])
async def test_a_password_is_one_line(api: Api, blank: str) -> None:
    async with api.unchanged():
        refused = await api.nobody.post("/v1/users", a_registration(password=f"Horse{blank}Nr 9"))
    problem(refused, 422, "validation-error", "/password")


@in_memory
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"items": []}, "/items"),
        ({"items": None}, "/items"),
        ({"items": {}}, "/items"),
        ({"items": [5]}, "/items/0"),
        ({"items": [{"quantity": 1}]}, "/items/0"),
        ({"items": [{"sku": "A", "product_id": NOWHERE, "quantity": 1}]}, "/items/0"),
        ({"items": [{"sku": "A", "quantity": 1}, {"sku": "A B", "quantity": 1}]}, "/items/1/sku"),
        ({"items": [{"sku": None, "quantity": 1}]}, "/items/0/sku"),
        ({"items": [{"product_id": None, "quantity": 1}]}, "/items/0/product_id"),
        ({"items": [{"product_id": "A", "quantity": 1}]}, "/items/0/product_id"),
        ({"items": [{"sku": "A", "quantity": 1}] * 501}, "/items"),
        ({"customer_id": "me"}, "/customer_id"),
        ({"expected_total": "9.99"}, "/expected_total"),
        ({"expected_total": usd("9.999")}, "/expected_total/amount"),
        *(({"note": note}, "/note") for note in (5, *long(2_000))),
        ({"shipping_address": {}}, None),
        ({"shipping_address": an_address(country="England")}, "/shipping_address/country"),
        ({"shipping_address": an_address(country="gb")}, "/shipping_address/country"),
        ({"shipping_address": an_address(country="UK")}, "/shipping_address/country"),
        ({"shipping_address": an_address(country="")}, "/shipping_address/country"),
        *(
            ({"shipping_address": an_address(**{part: value})}, f"/shipping_address/{part}")
            for part in ("name", "line1", "line2", "city", "region")
            for value in ("", " ", "a\nb", "x" * 201)
        ),
        *(({"shipping_address": an_address(postal_code=code)}, "/shipping_address/postal_code")
          for code in ("", " ", "1" * 21)),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
async def test_so_it_is_in_an_order(api: Api, changes: Json, pointer: str | None) -> None:
    product = await api.product()
    async with api.unchanged():
        refused = await api.customer.post("/v1/orders", basket((product, 1)) | changes)
    four = [f"/shipping_address/{part}" for part in ("name", "line1", "city", "country")]
    problem(refused, 422, "validation-error", *([pointer] if pointer is not None else four))


async def test_what_looks_like_a_statement_is_kept_as_the_text_that_it_is(api: Api) -> None:
    for text in (
        "'; DROP TABLE products; --",
        '" OR 1=1 --',
        "{{7*7}}",
        "${jndi:x}",
        "%_\\",
        "=1+1",
    ):
        product = await api.product(name=text, metadata={text: text})
        found = await api.product_now(product)
        assert (found["name"], found["metadata"]) == (text, {text: text})
    assert await api.total("/v1/products") == 6
