import pytest

from domain.identity.credentials import password
from domain.shared.errors import InvalidValue


@pytest.mark.parametrize(
    "value",
    [
        "Abcdefg1",
        "1234567A",
        "A" * 127 + "1",
        "Correct horse 9",
        "  Aa1     ",
        "Ünïcödé1",
        "ÉCLAIR12",
        "Пароль12",
        "🐎🐎🐎🐎🐎🐎A1",
    ],
)
def test_a_long_password_with_a_capital_and_a_digit_is_good_enough(value: str) -> None:
    assert password(value) == value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "is not 8 to 128 characters long"),
        ("Abcdef1", "is not 8 to 128 characters long"),
        ("A" * 128 + "1", "is not 8 to 128 characters long"),
        ("abcdefg1", "has no upper-case letter"),
        ("12345678", "has no upper-case letter"),
        ("Abcdefgh", "has no digit"),
        ("Abcdefg٣", "has no digit"),
        ("Abcdefg²", "has no digit"),
        ("Abcdef1\x00", "contains a control character"),
        ("Abcdef1\x7f", "contains a control character"),
        ("Abcdef1\ud800", "contains a control character"),
        ("Abcdef1\n", "is more than one line"),
        ("Abcd\tef1", "is more than one line"),
    ],
)
def test_a_weak_or_broken_password_is_refused_with_its_reason(value: str, reason: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        password(value)
    assert refused.value.details == {"field": "password", "reason": reason}


def test_a_password_is_the_same_from_every_keyboard() -> None:
    assert password("Cafe\u0301 1234") == password("Caf\u00e9 1234")


def test_a_password_is_as_long_as_it_is_composed() -> None:
    seven_letters_composed = "A1" + "e\u0301" * 5
    with pytest.raises(InvalidValue, match="8 to 128"):
        password(seven_letters_composed)
    assert len(password("A1" + "e\u0301" * 126)) == 128
