"""What all tables have in common: names, column types, the mapper registry."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry

from application.shared.errors import StorageFailure
from domain.ordering.address import Address
from domain.shared.errors import DomainError
from domain.shared.money import Currency
from domain.shared.text import Slug

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
mappers: Final = registry(metadata=metadata)

# What breaking a constraint means, by its name. Each context adds its own to it.
VIOLATIONS: Final[dict[str, Callable[[], DomainError | StorageFailure]]] = {}

Json: Final = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def text(length: int) -> String:
    """Text that sorts by code point on every database, as Python does."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, kept in UTC. SQLite knows no zones: there the offset is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone")
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        # PostgreSQL's driver gives all times in UTC.
        return super().result_processor(dialect, coltype) if dialect.name == "sqlite" else None


class CurrencyCode(TypeDecorator[Currency]):
    impl = String(3)
    cache_ok = True

    def process_bind_param(self, value: Currency | None, dialect: Dialect) -> str | None:
        return None if value is None else value.code

    def process_result_value(self, value: str | None, dialect: Dialect) -> Currency | None:
        return None if value is None else Currency.of(value)


class EnumText(TypeDecorator[StrEnum]):
    """A member by its value in a plain text column, so that a new member needs no migration."""

    impl = String(20)
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        return None if value is None else self.kind(value)


class SlugList(TypeDecorator[tuple[Slug, ...]]):
    impl = Json
    cache_ok = True

    def process_bind_param(
        self, value: tuple[Slug, ...] | None, dialect: Dialect
    ) -> list[Slug] | None:
        return None if value is None else [*value]

    def process_result_value(
        self, value: list[Slug] | None, dialect: Dialect
    ) -> tuple[Slug, ...] | None:
        return None if value is None else tuple(value)


class AddressJson(TypeDecorator[Address]):
    impl = Json
    cache_ok = True

    def process_bind_param(
        self, value: Address | None, dialect: Dialect
    ) -> Mapping[str, Any] | None:
        return None if value is None else asdict(value)

    def process_result_value(
        self, value: Mapping[str, Any] | None, dialect: Dialect
    ) -> Address | None:
        return None if value is None else Address(**value)


def aggregate_columns() -> tuple[Column[Any], ...]:
    """What every aggregate's table begins with."""
    return (
        Column("id", Uuid, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("sequence", Integer, nullable=False),
    )
