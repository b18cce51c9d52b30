import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from domain.shared.errors import DomainError
from domain.shared.money import Currency

SHORTEST_SECRET: Final = 32  # bytes: the output of SHA-256, as RFC 7518 §3.2 asks for HS256
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")  # RFC 6454, ASCII
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_SEVERAL_SERVERS: Final = re.compile(
    r"(?P<user>postgresql[^:]*://(?:[^@/?]*@)?)(?P<servers>[^@/?]*,[^@/?]*)(?P<rest>(?:[/?].*)?)"
)
_SERVER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::(\d+))?")
_PORT: Final = "5432"


class UnusableSettings(Exception):
    """One line that says which setting does not fit, and why."""


class MissingSecret(Exception):
    """A database server is shared, so the key that signs tokens must be as well."""


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class Settings(BaseSettings):
    """What can be set from outside: TRADEPOST_<NAME> in the environment or in `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="TRADEPOST_", env_file=".env", extra="ignore", frozen=True
    )

    database_url: str = "sqlite+aiosqlite:///tradepost.db"
    read_database_url: str | None = None  # of a standby, which is read while it has caught up
    memory: bool = False  # keep everything in this process, for a demonstration
    secret_key: SecretStr | None = None
    previous_secret_key: SecretStr | None = None  # what it signed still counts, until it is gone
    currency: str = "USD"
    log_format: LogFormat = LogFormat.CONSOLE
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    access_token_minutes: int = Field(default=15, ge=1, le=24 * 60)
    session_days: int = Field(default=30, ge=1, le=365)  # without use
    trusted_proxies: str = ""  # addresses, or *, whose X-Forwarded-For is believed
    cors_origins: str = ""  # whose pages may read answers, with commas between them, or *
    metrics_token: SecretStr | None = None  # which a scrape has to show then
    idempotency_hours: int = Field(default=24, ge=1)
    unpaid_order_hours: int = Field(default=48, ge=1, le=87_600)  # then they expire
    password_hashers: int = Field(default=2, ge=1, le=64)  # at once; as many as there are cores
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    max_import_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)  # of an imported file
    max_requests: int | None = Field(default=None, ge=1)  # at once, in work or waiting for it
    client_timeout: float = Field(default=10.0, gt=0)  # seconds, as all times here
    request_timeout: float = Field(default=10.0, gt=0)
    shutdown_seconds: float = Field(default=20, gt=0)

    pool_size: int = Field(default=5, ge=1)
    max_overflow: int = Field(default=5, ge=0)
    pool_timeout: float = Field(default=3.0, gt=0)
    connect_timeout: float = Field(default=2.0, gt=0)
    statement_timeout: float = Field(default=5.0, gt=0)
    lock_timeout: float = Field(default=2.0, gt=0)
    idle_in_transaction_timeout: float = Field(default=10.0, gt=0)

    @field_validator("database_url")
    @classmethod
    def _with_driver(cls, url: str) -> str:
        scheme, colon, rest = url.partition(":")
        driver = _DRIVERS.get(scheme, scheme)
        if not colon or driver not in _DRIVERS.values():
            raise ValueError("begins with neither sqlite:// nor postgresql://")
        try:
            url = _for_sqlalchemy(driver + colon + rest)
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise ValueError("is no database URL") from None
        if parsed.host and driver == _DRIVERS["sqlite"]:
            raise ValueError("has to have three slashes before a file: sqlite:///shop.db")
        if parsed.database in (None, "", ":memory:"):
            # In SQLite's own memory, one connection for everybody would mix their transactions.
            raise ValueError("names no database; a shop in memory is `serve --memory`")
        folder = Path(parsed.database or "").parent
        if driver == _DRIVERS["sqlite"] and not folder.is_dir():
            raise ValueError("names a file in a folder that is not there")
        return url

    @field_validator("read_database_url")
    @classmethod
    def _of_one_standby(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is None:
            return None
        url: str = cls._with_driver(given)
        primary: str = info.data.get("database_url", url)
        if not (url.startswith("postgresql") and primary.startswith("postgresql")):
            raise ValueError("is the URL of a standby, and only PostgreSQL has such")
        if "," in make_url(url).query.get("host", ""):
            raise ValueError("names more than one server")
        return url

    @field_validator("currency")
    @classmethod
    def _iso_4217(cls, code: str) -> str:
        try:
            return Currency.of(code).code
        except DomainError as error:
            raise ValueError(str(error)) from None

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, text: str) -> str:
        origins = [origin.strip() for origin in text.split(",") if origin.strip()]
        if [origin for origin in origins if origin != "*" and not _ORIGIN.fullmatch(origin)]:
            raise ValueError("is no list of origins like https://shop.example")
        return ",".join(origins)

    @field_validator("secret_key", "previous_secret_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"is shorter than {SHORTEST_SECRET} bytes")
        return key

    @property
    def sqlite_file(self) -> Path | None:
        """The file of an embedded database; None for a server."""
        driver, _, path = self.database_url.partition(":///")
        return Path(path.partition("?")[0]) if driver == _DRIVERS["sqlite"] else None

    @property
    def room(self) -> Mapping[str, int]:
        """For how much there is room at once; what comes beyond that is shed."""
        connections = self.pool_size + self.max_overflow
        return {
            "places": 8 * connections,
            "requests": self.max_requests or 25 * connections,
            "files": connections // 2 or 1,
            "bytes": 32 * self.max_body_bytes,
        }

    @property
    def secrets(self) -> list[str]:
        """The key that signs and, while keys are rotated, the one before it; or MissingSecret."""
        previous = self.previous_secret_key
        return [self._secret(), *([previous.get_secret_value()] if previous else [])]

    def _secret(self) -> str:
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        if self.memory:
            return _SECRET_OF_THIS_PROCESS
        if self.sqlite_file is None:
            raise MissingSecret
        # An embedded database keeps its key beside its file.
        return _kept_secret(self.sqlite_file.with_suffix(".secret"))


_SECRET_OF_THIS_PROCESS: Final = secrets.token_urlsafe(SHORTEST_SECRET)


def _for_sqlalchemy(url: str) -> str:
    """Several servers as `?host=a,b&port=1,2`; unless told otherwise, whichever takes writes."""
    several = _SEVERAL_SERVERS.fullmatch(url)
    if several is None:
        return url
    found = [_SERVER.fullmatch(server) for server in several["servers"].split(",")]
    query = {
        "host": ",".join(server[1].strip("[]") for server in found if server),
        "port": ",".join(server[2] or _PORT for server in found if server),
        "target_session_attrs": "read-write",
    }
    if None in found:
        raise ValueError(url)
    parsed = make_url(several["user"] + several["rest"])
    return parsed.set(query={**query, **parsed.query}).render_as_string(hide_password=False)


def _kept_secret(file: Path) -> str:
    """The secret of this file, which is made, readable by its owner alone, if there is none."""
    if not file.exists():
        descriptor, unfinished = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "w") as new:
            new.write(secrets.token_urlsafe(SHORTEST_SECRET))
        with suppress(FileExistsError):  # another process was first, and its key counts
            os.link(unfinished, file)
        os.unlink(unfinished)
    return file.read_text()


def load() -> Settings:
    """The settings of this process, or UnusableSettings."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise UnusableSettings(f"TRADEPOST_{name} does not fit: {reason}") from None
