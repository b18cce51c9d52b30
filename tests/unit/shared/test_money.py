import operator
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.shared.errors import InvalidValue
from domain.shared.money import _CODES_BY_DIGITS, CURRENCIES, Currency, CurrencyMismatch, Money
from tests.builders import gbp, money, usd

currencies = st.sampled_from([*CURRENCIES.values()])
minor_units = st.integers(min_value=-(10**15) + 1, max_value=10**15 - 1)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("79.99", "USD", 7999),
        ("79.9", "USD", 7990),
        ("79", "USD", 7900),
        ("0", "USD", 0),
        ("0.01", "USD", 1),
        ("-0.00", "USD", 0),
        ("-0.01", "USD", -1),
        ("999999999999999.99", "USD", 99_999_999_999_999_999),
        ("80", "JPY", 80),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("1.2345", "CLF", 12345),
        ("1", "CLF", 10_000),
        (5, "GBP", 500),
        (-5, "JPY", -5),
        (999_999_999_999_999, "KWD", 999_999_999_999_999_000),
        (Decimal("1.10"), "GBP", 110),
        (Decimal("1.1"), "GBP", 110),
        (Decimal("1E+3"), "GBP", 100_000),
        (Decimal("1E+14"), "JPY", 10**14),
        (Decimal("1E-2"), "GBP", 1),
        (Decimal("-0"), "GBP", 0),
    ],
)
def test_an_amount_is_read_to_its_minor_unit(
    amount: str | int | Decimal, currency: str, minor: int
) -> None:
    assert Money.parse(amount, Currency.of(currency), field="price").minor == minor


@pytest.mark.parametrize(
    "amount",
    [
        "",
        " ",
        " 1 ",
        "1 ",
        "1\n",
        "+1",
        "--1",
        "-",
        ".5",
        "5.",
        "1.",
        "01",
        "00.10",
        "1,00",
        "1,000.00",
        "1_000",
        "1e3",
        "1E+3",
        "0x10",
        "١٢",
        "１２",
        "1.٥",
        "NaN",
        "Infinity",
        "-inf",
        "£1",
        "1.0.0",
        "1\x00",
        "1000000000000000",
        "1234567890123456",
        "9" * 100_000,
        10**15,
        10**400,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        Decimal("-Infinity"),
        Decimal("1E+15"),
        Decimal("1E+400"),
        Decimal("1E-400"),
        Decimal("1E+999999999999999"),
        Decimal("1E-999999999999999"),
    ],
)
def test_what_is_no_plain_amount_is_refused(amount: str | int | Decimal) -> None:
    with pytest.raises(InvalidValue) as refused:
        Money.parse(amount, Currency.of("GBP"), field="price")
    assert refused.value.details == {
        "field": "price",
        "reason": "is no plain decimal amount of at most 15 digits",
    }


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.005", "USD"),
        ("1.000", "USD"),
        ("80.5", "JPY"),
        ("80.0", "JPY"),
        ("1.2345", "KWD"),
        (Decimal("1.100"), "USD"),
        (Decimal("0.5"), "JPY"),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused_rather_than_rounded(
    amount: str | Decimal, currency: str
) -> None:
    with pytest.raises(InvalidValue, match=f"decimals of {currency}"):
        Money.parse(amount, Currency.of(currency), field="price")


def test_five_decimals_are_more_than_any_currency_has() -> None:
    with pytest.raises(InvalidValue):
        Money.parse("1.23456", Currency.of("CLF"), field="price")


def test_a_refusal_never_repeats_the_value() -> None:
    with pytest.raises(InvalidValue) as refused:
        Money.parse("<script>", Currency.of("GBP"), field="price")
    assert "script" not in str(refused.value)


@given(currencies, minor_units)
def test_an_amount_survives_being_written_and_read(currency: Currency, minor: int) -> None:
    known = Money(minor, currency)
    assert Money.parse(known.amount, currency, field="price") == known


@given(currencies, minor_units)
def test_an_amount_is_written_with_exactly_the_digits_of_its_currency(
    currency: Currency, minor: int
) -> None:
    whole, point, fraction = Money(minor, currency).amount.partition(".")
    assert len(fraction) == currency.digits
    assert bool(point) is (currency.digits > 0)
    assert Decimal(Money(minor, currency).amount) == Decimal(minor).scaleb(-currency.digits)
    assert whole.lstrip("-").isascii()


@given(currencies, st.text(max_size=30))
def test_any_text_is_an_amount_or_an_invalid_value(currency: Currency, amount: str) -> None:
    try:
        known = Money.parse(amount, currency, field="price")
    except InvalidValue:
        return
    assert Decimal(known.amount) == Decimal(amount)


@given(currencies, st.decimals(places=None))
def test_any_number_is_an_amount_or_an_invalid_value(currency: Currency, amount: Decimal) -> None:
    try:
        known = Money.parse(amount, currency, field="price")
    except InvalidValue:
        return
    assert Decimal(known.amount) == amount


@given(currencies, st.integers())
def test_a_whole_number_is_an_amount_if_it_has_at_most_15_digits(
    currency: Currency, amount: int
) -> None:
    if abs(amount) < 10**15:
        assert Money.parse(amount, currency, field="price").minor == amount * 10**currency.digits
    else:
        with pytest.raises(InvalidValue):
            Money.parse(amount, currency, field="price")


def test_money_of_one_currency_adds_up() -> None:
    assert gbp("9.99") + gbp("0.01") == gbp("10.00")
    assert gbp("9.99") - gbp("10.00") == gbp("-0.01")
    assert gbp("9.99") * 3 == gbp("29.97")
    assert gbp("1") < gbp("1.01") <= gbp("1.01") < gbp("2")
    assert not gbp("1") < gbp("1")
    assert max(gbp("1"), gbp("3"), gbp("2")) == gbp("3")


def test_the_same_number_of_another_currency_is_another_amount() -> None:
    assert gbp("1") != usd("1")
    assert len({gbp("1"), usd("1"), gbp("1.00")}) == 2


def test_currencies_do_not_mix() -> None:
    for combine in (operator.add, operator.sub, operator.lt, operator.ge):
        with pytest.raises(CurrencyMismatch, match="GBP and USD do not add up") as mismatch:
            combine(gbp("1"), usd("1"))
        assert mismatch.value.details == {"currencies": ["GBP", "USD"]}


def test_money_is_shown_with_its_currency() -> None:
    assert str(money("1234.50", "EUR")) == "1234.50 EUR"
    assert str(money("-0.05", "EUR")) == "-0.05 EUR"
    assert str(money("80", "JPY")) == "80 JPY"
    assert str(money("-0", "JPY")) == "0 JPY"
    assert str(money("-0.00", "EUR")) == "0.00 EUR"
    assert str(money("0.001", "KWD")) == "0.001 KWD"


def test_every_active_currency_of_iso_4217_with_a_minor_unit_is_known() -> None:
    # 178 codes are active, of which 13 have no minor unit.
    assert Counter(currency.digits for currency in CURRENCIES.values()) == {
        0: 17,
        2: 139,
        3: 7,
        4: 2,
    }
    assert all(code == currency.code for code, currency in CURRENCIES.items())
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


def test_no_code_stands_in_the_table_twice() -> None:
    codes = " ".join(_CODES_BY_DIGITS.values()).split()
    assert len(codes) == len({*codes}) == len(CURRENCIES)


@pytest.mark.parametrize(
    ("digits", "codes"),
    [
        (0, "JPY KRW ISK VND CLP XAF XOF XPF PYG UGX"),
        (2, "USD EUR GBP CHF CNY INR MXN SEK AUD CAD HUF XCD VED SLE"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ],
)
def test_a_well_known_currency_has_the_digits_of_the_standard(digits: int, codes: str) -> None:
    assert {Currency.of(code).digits for code in codes.split()} == {digits}


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "XXX", "XTS", "XAU", "DEM", "HRK", "¥"])
def test_a_code_that_is_not_in_use_is_refused(code: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Currency.of(code)
    assert refused.value.details["field"] == "currency"
