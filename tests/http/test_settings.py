"""Where the service keeps its things, and with which key it signs."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr, ValidationError

from interfaces.settings import MissingSecret, Settings
from tests.http.api import SECRET, settings

WRITABLE: Final = "target_session_attrs=read-write"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("sqlite:///shop.db", "sqlite+aiosqlite:///shop.db"),
        ("sqlite+aiosqlite:///shop.db", "sqlite+aiosqlite:///shop.db"),
        ("sqlite:////usr/shop.db", "sqlite+aiosqlite:////usr/shop.db"),
        ("postgresql://a:b@h:5432/shop", "postgresql+asyncpg://a:b@h:5432/shop"),
        ("postgresql+asyncpg://h/shop", "postgresql+asyncpg://h/shop"),
        ("postgresql:///shop?host=/run", "postgresql+asyncpg:///shop?host=/run"),
        ("postgresql://a:p%40ss@h/shop", "postgresql+asyncpg://a:p%40ss@h/shop"),
        ("postgresql://a:b,c@h/shop", "postgresql+asyncpg://a:b,c@h/shop"),
        (
            "postgresql://a:p%40ss@h:1,i/shop",
            f"postgresql+asyncpg://a:p%40ss@/shop?host=h%2Ci&port=1%2C5432&{WRITABLE}",
        ),
        (
            "postgresql://[::1]:1,[::2]/shop?sslmode=require",
            "postgresql+asyncpg:///shop?host=%3A%3A1%2C%3A%3A2&port=1%2C5432&sslmode=require"
            f"&{WRITABLE}",
        ),
        (
            "postgresql://h,i/shop?target_session_attrs=any",
            "postgresql+asyncpg:///shop?host=h%2Ci&port=5432%2C5432&target_session_attrs=any",
        ),
    ],
)
def test_a_database_is_named_with_or_without_its_driver(written: str, understood: str) -> None:
    assert settings(database_url=written).database_url == understood


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.db",
        "/usr/shop.db",
        "mysql://h/shop",
        "postgres+psycopg://h/shop",
        "postgresql+psycopg://h/shop",
        "sqlite+pysqlite:///shop.db",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "sqlite://shop.db",
        "postgresql://",
        "postgresql://h:port/shop",
        "postgresql://h,i",
        "postgresql://h,/shop",
        "postgresql://h:1,i:port/shop",
        "postgresql://h,::1/shop",
        "postgresql://h,[::1/shop",
        "sqlite://h,i/shop",
        " sqlite:///shop.db",
    ],
)
def test_what_is_no_database_of_ours_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(database_url=url)
    [error] = refused.value.errors()
    assert error["loc"] == ("database_url",)


def test_a_standby_is_named_with_or_without_its_driver() -> None:
    understood = settings(
        database_url="postgresql://h,i/shop", read_database_url="postgresql://i/shop"
    )
    assert understood.read_database_url == "postgresql+asyncpg://i/shop"


@pytest.mark.parametrize(
    ("primary", "standby"),
    [
        ("postgresql://h/shop", ""),
        ("postgresql://h/shop", "postgresql://"),
        ("postgresql://h/shop", "postgresql://i,j/shop"),
        ("postgresql://h/shop", "sqlite:///shop.db"),
        ("sqlite:///shop.db", "postgresql://i/shop"),
    ],
)
def test_only_postgresql_has_a_standby_and_no_more_than_one(primary: str, standby: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(database_url=primary, read_database_url=standby)
    [error] = refused.value.errors()
    assert error["loc"] == ("read_database_url",)


def test_the_defaults_are_those_of_a_first_try() -> None:
    usual = settings()
    assert usual.database_url == "sqlite+aiosqlite:///tradepost.db"
    assert (usual.currency, usual.memory, usual.secret_key) == ("USD", False, None)
    assert usual.read_database_url is None


def test_whoever_waits_for_others_waits_longer_than_they_do() -> None:
    usual = settings()
    orchestrator, proxy, commands = 30.0, 15.0, usual.statement_timeout + 1.0
    assert orchestrator > usual.shutdown_seconds > proxy > usual.request_timeout
    assert usual.request_timeout > usual.pool_timeout + commands
    assert commands > usual.statement_timeout > usual.lock_timeout
    assert usual.pool_timeout > usual.connect_timeout
    assert usual.idle_in_transaction_timeout > usual.statement_timeout


def test_there_is_room_for_more_than_there_are_connections_and_not_for_everybody() -> None:
    mebibyte = 1024 * 1024
    assert settings().room == {"places": 80, "requests": 250, "files": 5, "bytes": 32 * mebibyte}
    small = settings(pool_size=1, max_overflow=0, max_requests=7).room
    assert (small["places"], small["requests"], small["files"]) == (8, 7, 1)


def test_a_file_has_its_own_secret_for_its_owner_alone(folder: Path) -> None:
    secret = settings(database_url="sqlite:///shop.db").secrets[0]
    file = folder / "shop.secret"
    assert file.read_text() == secret
    assert len(secret.encode()) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*folder.iterdir()] == [file]


def test_the_secret_of_a_file_stays(folder: Path) -> None:
    url = f"sqlite:///{folder}/shop.db"
    secrets = {settings(database_url=url).secrets[0] for _ in range(3)}
    secrets.add(settings(database_url="sqlite:///shop.db").secrets[0])
    assert len(secrets) == 1
    assert settings(database_url="sqlite:///other.db").secrets[0] not in secrets


def test_of_many_that_start_at_once_all_have_the_same_secret(folder: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda _: settings(database_url="sqlite:///shop.db").secrets[0], range(64))
        assert len({*found}) == 1
    assert [file.name for file in folder.iterdir()] == ["shop.secret"]


def test_a_secret_that_is_given_is_the_one(folder: Path) -> None:
    for url in ("sqlite:///shop.db", "postgresql://h/shop"):
        given = settings(database_url=url, secret_key=SecretStr(SECRET))
        assert given.secrets == [SECRET]
        assert SECRET not in repr(given)
    assert [*folder.iterdir()] == []


def test_a_shop_in_memory_signs_as_long_as_the_process_lives(folder: Path) -> None:
    assert settings(memory=True).secrets == settings(memory=True).secrets
    assert [*folder.iterdir()] == []


def test_a_server_is_shared_so_its_secret_is_given() -> None:
    with pytest.raises(MissingSecret):
        settings(database_url="postgresql://h/shop").secrets  # noqa: B018


@pytest.mark.parametrize("key", ["", "short", "x" * 31, "é" * 15])
def test_a_secret_has_32_bytes_at_least(key: str) -> None:
    with pytest.raises(ValidationError):
        settings(secret_key=SecretStr(key))


def test_thirty_two_bytes_will_do() -> None:
    assert settings(secret_key=SecretStr("é" * 16)).secrets == ["é" * 16]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEPOST_IDEMPOTENCY_HOURS", "48")
    monkeypatch.setenv("TRADEPOST_CURRENCY", "JPY")
    monkeypatch.setenv("IDEMPOTENCY_HOURS", "1")
    found = Settings()
    assert (found.idempotency_hours, found.currency) == (48, "JPY")
