"""The types that the members of a JSON object can have: nothing is converted."""

from typing import Any

from domain.shared.errors import InvalidValue


def of_text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(field, "is no text")
    return value


def of_texts(field: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidValue(field, "is no list of texts")
    return value


def of_pairs(field: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidValue(field, "is no object of texts")
    return value


def of_whole(field: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(field, "is no whole number")
    return value


def of_truth(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(field, "is neither true nor false")
    return value
