import json
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final

from domain.shared.text import has_control_characters
from interfaces.http.problems import Problem, validation_error

DEEPEST: Final = 32
_LONGEST_NAME: Final = 50  # characters that a pointer repeats; beyond any name that we know
_LONGEST_NUMBER: Final = 400  # characters; beyond any number that a field takes


def decoded(body: bytes) -> Any:
    """
    The value of a JSON text (RFC 8259) in UTF-8, by its strict reading.

    Numbers with a fraction or an exponent are Decimals. A Problem for what is malformed, has a key
    twice, a number that is none, or nests too deep; and for text that holds control characters.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_number,
            parse_float=_decimal,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _malformed(f"nested deeper than {DEEPEST}") from None
    _check(value, pointer="", depth=0)
    return value


def escaped(part: str | int) -> str:
    """A part of a JSON pointer (RFC 6901 §3)."""
    return str(part)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")


def _check(value: Any, *, pointer: str, depth: int) -> None:
    if isinstance(value, str):
        if has_control_characters(value):
            raise validation_error({"pointer": pointer, "detail": "contains a control character"})
    elif isinstance(value, dict | list):
        if depth == DEEPEST:
            raise _malformed(f"nested deeper than {DEEPEST}")
        if isinstance(value, dict):
            for name, member in value.items():
                if has_control_characters(name):
                    raise validation_error(
                        {"pointer": pointer, "detail": "a member's name has a control character"}
                    )
                _check(member, pointer=f"{pointer}/{escaped(name)}", depth=depth + 1)
        else:
            for index, member in enumerate(value):
                _check(member, pointer=f"{pointer}/{index}", depth=depth + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _malformed("an object has the same key twice")
    return members


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= 20 else _decimal(digits)


def _decimal(digits: str) -> Decimal:
    # An exponent stays one, so that 1e400 costs nothing; infinity fits no field.
    try:
        return Decimal(digits if len(digits) <= _LONGEST_NUMBER else "Infinity")
    except InvalidOperation:
        return Decimal("Infinity")


def _no_number(name: str) -> None:
    raise _malformed(f"{name} is no JSON")


def _malformed(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed-json", detail)
