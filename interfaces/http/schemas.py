"""The types that requests and answers are made of."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from domain.shared import text
from domain.shared.errors import DomainError
from domain.shared.money import CURRENCIES, Currency, Money

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# RFC 3339 §5.6, which knows no time without its offset.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


# A member of a patch that was not sent. It is never read: what was sent is `model_fields_set`.
ABSENT: Final[Any] = Field(default_factory=lambda: None)


class Body(BaseModel):
    """What comes in: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class View(BaseModel):
    """What goes out: made of what we have, which nobody has to check once more."""

    model_config = ConfigDict(extra="forbid")

    _usual: ClassVar[dict[str, Any]] = {}  # what members are that nobody names

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        fields = cls.model_fields.items()
        cls._usual = {name: field.default for name, field in fields if not field.is_required()}

    def __init__(self, **members: Any) -> None:
        object.__setattr__(self, "__dict__", self._usual | members)
        object.__setattr__(self, "__pydantic_fields_set__", members.keys())

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def checked(check: Callable[[str], T]) -> Callable[[str], T]:
    """A rule of the domain, which raises DomainError, as a validator."""

    def validate(value: str) -> T:
        try:
            return check(value)
        except DomainError as error:
            raise wrong(error.details.get("reason", str(error))) from None

    return validate


def wrong(reason: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_value", "{reason}", {"reason": reason})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text with something on it, of at most so many code points."""

    longest: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            checked(lambda value: text.line("value", value, longest=self.longest)),
            core_schema.str_schema(min_length=1, max_length=self.longest, strict=True),
        )


@dataclass(frozen=True, slots=True)
class FreeText:
    """Any text of at most so many code points, line ends included."""

    longest: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            checked(lambda value: text.text("value", value, longest=self.longest)),
            core_schema.str_schema(max_length=self.longest, strict=True),
        )


def is_uuid(value: str) -> bool:
    """Whether this is a UUID in its usual spelling (RFC 9562 §4)."""
    return _UUID.fullmatch(value.lower()) is not None


def _uuid(value: object) -> object:
    if isinstance(value, str) and is_uuid(value):
        return UUID(value)
    raise wrong("is no UUID in its usual spelling")


def _plain_integer(value: object) -> object:
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise wrong("is no integer")
        return int(value)
    return value


def _plain_boolean(value: object) -> object:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise wrong("is neither true nor false")
        return value == "true"
    return value


def _moment(value: object) -> object:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # the latter for what is in no year of UTC
            pass
    raise wrong("is no moment of RFC 3339 with its offset, as 2026-11-21T09:30:00Z")


Id = Annotated[UUID, BeforeValidator(_uuid)]
PLAIN_INTEGER: Final = BeforeValidator(_plain_integer)  # stands behind the limits of a parameter
Moment = Annotated[datetime, BeforeValidator(_moment)]  # a + in a query is to be sent as %2B
QueryBool = Annotated[bool, BeforeValidator(_plain_boolean)]
Slug = Annotated[
    str,
    Field(min_length=1, max_length=text.SLUG_LENGTH, pattern="^[a-z0-9-]+$"),
    AfterValidator(checked(text.slug)),
]

Timestamp = Annotated[
    datetime,
    PlainSerializer(
        lambda at: at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        return_type=str,
    ),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-21T09:30:00.000000Z"]}
    ),
]

_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$"},
        {"type": "number"},
    ],
    "examples": ["79.99"],
}
_CURRENCY_SCHEMA = {"type": "string", "enum": sorted(CURRENCIES), "examples": ["USD"]}


class MoneyIn(Body):
    """An amount with no more digits than its currency has."""

    currency: Annotated[
        str,
        AfterValidator(checked(lambda code: Currency.of(code).code)),
        WithJsonSchema(_CURRENCY_SCHEMA),
    ]
    amount: Annotated[Money, WithJsonSchema(_AMOUNT_SCHEMA)]

    @field_validator("amount", mode="plain")
    @classmethod
    def _exact(cls, amount: object, info: ValidationInfo) -> Money:
        if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
            raise wrong("is neither a string nor a number")
        if "currency" not in info.data:
            raise wrong("cannot be read without a currency")
        currency = Currency.of(info.data["currency"])
        try:
            return Money.parse(amount, currency, field="amount")
        except DomainError as error:
            raise wrong(error.details["reason"]) from None


class MoneyOut(View):
    amount: str = Field(examples=["79.99"])
    currency: str = Field(examples=["USD"])

    @classmethod
    def of(cls, money: Money) -> Self:
        return cls(amount=money.amount, currency=money.currency.code)
