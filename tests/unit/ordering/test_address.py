from dataclasses import replace

import pytest

from domain.ordering.address import COUNTRIES, Address
from domain.shared.errors import InvalidValue
from tests.builders import an_address


def test_an_address_needs_a_name_a_line_a_city_and_a_country() -> None:
    bare = Address(name="Ada", line1="Main Street 1", city="Cork", country="IE")
    assert (bare.line2, bare.region, bare.postal_code) == (None, None, None)


def test_every_officially_assigned_country_is_known() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in COUNTRIES)
    assert {"GB", "US", "DE", "JP", "TW", "PS", "AQ"} <= COUNTRIES
    assert not {"UK", "EU", "XK", "AN", "SU", "YU", "ZZ"} & COUNTRIES


@pytest.mark.parametrize("country", ["", "gb", "UK", "GBR", "826", "G", "ＧＢ"])
def test_a_country_is_a_code_of_iso_3166(country: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        an_address(country=country)
    assert refused.value.details["field"] == "shipping_address.country"


@pytest.mark.parametrize(
    ("part", "longest"),
    [
        ("name", 200),
        ("line1", 200),
        ("line2", 200),
        ("city", 200),
        ("region", 200),
        ("postal_code", 20),
    ],
)
def test_every_part_of_an_address_is_one_line(part: str, longest: int) -> None:
    address = an_address()
    assert getattr(replace(address, **{part: "a" * longest}), part) == "a" * longest
    for broken in ("", " ", "a\nb", "a\x00", "a" * (longest + 1)):
        with pytest.raises(InvalidValue) as refused:
            replace(address, **{part: broken})
        assert refused.value.details["field"] == f"shipping_address.{part}"
