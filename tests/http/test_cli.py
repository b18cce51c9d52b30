"""The command `tradepost`: what it does, what it prints, and how it exits."""

import asyncio
import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import uvicorn
from dependency_injector import providers
from typer.testing import CliRunner

from infrastructure.sql.migrating import Migrations
from interfaces import cli, logs
from interfaces.container import Container
from interfaces.http.app import create_app
from interfaces.http.connections import TimedConnection
from interfaces.metrics import SHARED
from tests.builders import PASSWORD
from tests.http.api import SECRET, application, running, settings
from tests.servers import PostgresCluster

DONE, FAILED, WRONG_USE, OTHER_SCHEMA = range(4)
HEAD: Final = Migrations("sqlite+aiosqlite:///shop.db").head
FILE: Final = "tradepost.db"
EVE: Final = ("users", "create-admin", "--username", "eve", "--email", "eve@example.com")
ADA: Final = ("users", "create-admin", "--username", "ada", "--email", "ada@example.com")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """The one line that says why it could not be done."""
        assert (self.output, self.errors.count("\n")) == ("", 1), (self.output, self.errors)
        return self.errors.rstrip("\n")


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs, and none of our settings around it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tradepost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command with these arguments, and with TRADEPOST_ settings by their names."""

    def run(*arguments: str, **environment: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["tradepost", *arguments])
            for name, value in environment.items():
                patch.setenv(f"TRADEPOST_{name}", value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return run


@dataclass(slots=True)
class Served:
    """What would have been served, and how, were it not for the test."""

    application: Any = None
    options: dict[str, Any] | None = None


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()

    def serve(application: Any, **options: Any) -> None:
        found.application, found.options = application, options

    monkeypatch.setattr(uvicorn, "run", serve)
    monkeypatch.setattr(logs, "configure", lambda _: None)
    monkeypatch.setenv(SHARED, "")  # so that what is set meanwhile is undone
    return found


@pytest.fixture
def empty(postgres: PostgresCluster) -> str:
    """A database in which nothing is."""
    name = f"http_cli_{time.monotonic_ns()}"
    postgres.create(name)
    return postgres.url(name)


def ask(folder: Path, method: str, path: str, **options: Any) -> httpx.Response:
    """The service over the file in this folder, with the passwords as they are."""

    async def answered() -> httpx.Response:
        found = settings(database_url=f"sqlite:///{folder}/{FILE}")
        async with running(create_app(Container(settings=providers.Object(found)))) as http:
            return await http.request(method, path, **options)

    return asyncio.run(answered())


def signed_in(folder: Path, username: str, password: str) -> str | None:
    """An access token, if they are let in."""
    form = {"grant_type": "password", "username": username, "password": password}
    answered = ask(folder, "POST", "/v1/auth/token", data=form)
    assert answered.status_code in (200, 401)
    return str(answered.json()["access_token"]) if answered.is_success else None


def is_let_in(folder: Path, token: str) -> bool:
    bearer = {"Authorization": f"Bearer {token}"}
    answered = ask(folder, "GET", "/v1/users/me", headers=bearer)
    assert answered.status_code in (200, 401)
    return answered.status_code == 200


def users(file: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT username, role, password_hash FROM users ORDER BY id")
        return rows.fetchall()


def test_an_administrator_is_made_once(tradepost: Run, folder: Path) -> None:
    first = tradepost(*ADA, PASSWORD=PASSWORD)
    assert (first.code, first.errors) == (DONE, "")
    assert first.output.endswith("ada is now there, as admin\n")
    [(username, role, hashed)] = users(folder / "tradepost.db")
    assert (username, role) == ("ada", "admin")
    assert hashed.startswith("$argon2id$")

    again = tradepost(*ADA, PASSWORD="Another horse 9")
    assert (again.code, again.output) == (DONE, "ada is already there, as admin\n")
    shouted = tradepost(*ADA[:3], "ADA", *ADA[4:], PASSWORD=PASSWORD)
    assert (shouted.code, shouted.output) == (DONE, "ada is already there, as admin\n")
    assert users(folder / "tradepost.db") == [(username, role, hashed)]


def test_a_role_is_given_and_taken(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    tradepost(*EVE, PASSWORD=PASSWORD)
    for login, role in (("eve", "customer"), ("EVE", "staff"), ("Eve@Example.com", "admin")):
        done = tradepost("users", "set-role", login, role)
        assert (done.code, done.output, done.errors) == (DONE, f"eve is now {role}\n", "")
        assert ("eve", role) in [(name, role) for name, role, _ in users(folder / "tradepost.db")]


def test_a_user_is_deactivated_with_all_their_sessions(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    tradepost(*EVE, PASSWORD=PASSWORD)
    token = signed_in(folder, "eve", PASSWORD)
    assert token is not None
    assert is_let_in(folder, token)
    done = tradepost("users", "deactivate", "eve")
    assert (done.code, done.output, done.errors) == (DONE, "eve is deactivated\n", "")
    assert not is_let_in(folder, token)
    assert signed_in(folder, "eve", PASSWORD) is None


def test_another_password_ends_all_sessions(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    token = signed_in(folder, "ada", PASSWORD)
    assert token is not None
    done = tradepost("users", "set-password", "ada", PASSWORD="Another horse 9")
    assert (done.code, done.output, done.errors) == (DONE, "ada has another password\n", "")
    assert not is_let_in(folder, token)
    assert signed_in(folder, "ada", PASSWORD) is None
    assert signed_in(folder, "ada", "Another horse 9") is not None


def test_a_password_that_will_not_do_changes_nothing(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    before = users(folder / "tradepost.db")
    refused = tradepost("users", "set-password", "ada", PASSWORD="short-7")
    assert refused.code == FAILED
    assert refused.reason == "tradepost: password is not 8 to 128 characters long"
    assert users(folder / "tradepost.db") == before


def test_what_is_of_no_use_any_more_is_tidied_away(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    assert signed_in(folder, "ada", PASSWORD) is not None
    done = tradepost("users", "tidy")
    said = "0 expired sessions and 0 old attempts are gone\n"
    assert (done.code, done.output, done.errors) == (DONE, said, "")


def test_the_last_administrator_stays_one(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    before = users(folder / "tradepost.db")
    for arguments in (("set-role", "ada", "staff"), ("deactivate", "ada")):
        refused = tradepost("users", *arguments)
        assert refused.code == FAILED
        assert refused.reason == "tradepost: a shop keeps at least one active administrator"
    assert users(folder / "tradepost.db") == before


@pytest.mark.parametrize(
    "arguments", [("set-role", "eve", "staff"), ("deactivate", "eve"), ("set-password", "eve")]
)
def test_an_unknown_user_is_one_line(tradepost: Run, arguments: tuple[str, ...]) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    refused = tradepost("users", *arguments, PASSWORD=PASSWORD)
    assert refused.code == FAILED
    assert refused.reason == "tradepost: there is no such user"


@pytest.mark.parametrize(
    "arguments",
    [
        ("set-role", "ada", "boss"),
        ("set-role", "ada"),
        ("set-role",),
        ("deactivate",),
        ("set-password",),
        ("set-password", "ada", "Another horse 9"),
        ("set-password", "ada", "--password", "Another horse 9"),
    ],
    ids=" ".join,
)
def test_what_a_command_does_not_take_is_wrong_use(
    tradepost: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    before = users(folder / "tradepost.db")
    refused = tradepost("users", *arguments, PASSWORD=PASSWORD)
    assert (refused.code, refused.output) == (WRONG_USE, "")
    assert "Traceback" not in refused.errors
    assert users(folder / "tradepost.db") == before


def test_another_password_can_be_typed(tradepost: Run, folder: Path) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    typed = CliRunner().invoke(
        cli.app, ["users", "set-password", "ada"], input="Another horse 9\nAnother horse 9\n"
    )
    assert typed.exit_code == DONE, typed.output
    assert "Another horse 9" not in typed.output
    assert signed_in(folder, "ada", "Another horse 9") is not None


def test_the_password_can_be_typed() -> None:
    typed = CliRunner().invoke(cli.app, [*ADA], input=f"{PASSWORD}\n{PASSWORD}\n")
    assert typed.exit_code == DONE, typed.output
    assert "ada is now there, as admin" in typed.output
    assert PASSWORD not in typed.output


def test_but_it_is_never_an_argument(tradepost: Run, folder: Path) -> None:
    refused = tradepost(*ADA, "--password", PASSWORD)
    assert refused.code == WRONG_USE
    assert PASSWORD not in refused.output + refused.errors
    assert not (folder / "tradepost.db").exists()


@pytest.mark.parametrize(
    ("username", "email", "password", "reason"),
    [
        (
            "eve",
            "eve@example.com",
            "short-7",
            "tradepost: password is not 8 to 128 characters long",
        ),
        ("eve", "eve@example.com", "", "tradepost: password is not 8 to 128 characters long"),
        ("eve", "eve@example.com", "no-capital-9", "tradepost: password has no upper-case letter"),
        ("e e", "eve@example.com", PASSWORD, "tradepost: username is not 3 to 50 of"),
        ("eve", "eve@", PASSWORD, "tradepost: email is no email address"),
        ("eve", "ADA@example.com", PASSWORD, "tradepost: this email is taken"),
    ],
)
def test_an_administrator_who_cannot_be_made_is_one_line(
    tradepost: Run, folder: Path, username: str, email: str, password: str, reason: str
) -> None:
    tradepost(*ADA, PASSWORD=PASSWORD)
    refused = tradepost(
        "users", "create-admin", "--username", username, "--email", email, PASSWORD=password
    )
    assert refused.code == FAILED
    assert refused.reason.startswith(reason)
    assert len(users(folder / "tradepost.db")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["users", "create-admin"],
        ["users", "create-admin", "--username", "ada"],
        ["users", "nonsense"],
        ["users", "set-role", "ada", "boss"],
        ["serve", "--port", "99999"],
        ["serve", "--port", "http"],
        ["serve", "--workers", "0"],
        ["serve", "--nonsense"],
        ["openapi", "too", "many"],
        ["db", "nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_two(tradepost: Run, folder: Path, arguments: list[str]) -> None:
    refused = tradepost(*arguments)
    assert (refused.code, refused.output) == (WRONG_USE, "")
    assert "Traceback" not in refused.errors
    assert [*folder.iterdir()] == []


UNFIT: Final = [
    ("POOL_SIZE", "lots"),
    ("POOL_SIZE", "0"),
    ("POOL_SIZE", ""),
    ("MAX_OVERFLOW", "-1"),
    ("POOL_TIMEOUT", "0"),
    ("LOCK_TIMEOUT", "-1"),
    ("STATEMENT_TIMEOUT", "nan"),
    ("IDEMPOTENCY_HOURS", "0"),
    ("ACCESS_TOKEN_MINUTES", "0"),
    ("PASSWORD_HASHERS", "0"),
    ("MAX_BODY_BYTES", "10"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
    ("CURRENCY", "usd"),
    ("CURRENCY", "XXX"),
    ("MEMORY", "perhaps"),
    ("SECRET_KEY", "canary-of-31-bytes-is-too-short"),
    ("SECRET_KEY", ""),
    ("PREVIOUS_SECRET_KEY", "canary-of-31-bytes-is-too-short"),
    ("PREVIOUS_SECRET_KEY", ""),
    ("SESSION_DAYS", "0"),
    ("SESSION_DAYS", "366"),
    ("DATABASE_URL", ""),
    ("DATABASE_URL", "tradepost.db"),
    ("DATABASE_URL", "mysql://shop:canary@localhost/shop"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "sqlite:///"),
    ("DATABASE_URL", "sqlite:///:memory:"),
    ("DATABASE_URL", "sqlite+aiosqlite://"),
    ("DATABASE_URL", "sqlite+aiosqlite:///:memory:"),
    ("DATABASE_URL", "sqlite://shop.db"),
    ("DATABASE_URL", "sqlite:shop.db"),
    ("DATABASE_URL", "sqlite:////no/such/folder/shop.db"),
    ("DATABASE_URL", "postgresql+psycopg2://shop:canary@localhost/shop"),
    ("DATABASE_URL", "postgresql:shop"),
    ("DATABASE_URL", "postgresql://shop:canary@localhost:port/shop"),
]


@pytest.mark.parametrize(("name", "value"), UNFIT)
@pytest.mark.parametrize("arguments", [("serve",), ("openapi",), ("db", "current"), ADA])
def test_a_setting_that_does_not_fit_is_one_line_and_two(
    tradepost: Run, folder: Path, name: str, value: str, arguments: tuple[str, ...]
) -> None:
    refused = tradepost(*arguments, **{"PASSWORD": PASSWORD, name: value})
    assert refused.code == WRONG_USE
    assert refused.reason.startswith(f"tradepost: TRADEPOST_{name} does not fit: ")
    assert "canary" not in refused.reason
    assert [*folder.iterdir()] == []


def test_a_shop_in_memory_is_one_process(tradepost: Run, served: Served) -> None:
    for arguments, environment in (
        (["serve", "--memory", "--workers", "2"], {}),
        (["serve", "--workers", "2"], {"MEMORY": "true"}),
    ):
        refused = tradepost(*arguments, **environment)
        assert refused.code == WRONG_USE
        assert "in one process" in refused.errors
    assert served.application is None


def test_a_shop_in_memory_leaves_no_file(tradepost: Run, served: Served, folder: Path) -> None:
    started = tradepost("serve", "--memory", "--port", "8001", PASSWORD=PASSWORD)
    assert started.code == DONE
    assert "http://127.0.0.1:8001/docs" in started.output
    assert f"admin, password {PASSWORD}" in started.output
    assert served.application.state.container.settings().memory
    assert [*folder.iterdir()] == []


def test_a_file_is_migrated_and_served(tradepost: Run, served: Served, folder: Path) -> None:
    started = tradepost("serve", "--host", "0.0.0.0", "--port", "8001")  # noqa: S104
    assert started.code == DONE
    assert f"upgraded to {HEAD}: " in started.output
    assert "http://0.0.0.0:8001/docs" in started.output
    assert "tradepost users create-admin" in started.output
    assert served.options is not None
    assert (served.options["host"], served.options["port"]) == ("0.0.0.0", 8001)  # noqa: S104
    assert {file.name for file in folder.iterdir()} == {"tradepost.db", "tradepost.secret"}
    again = tradepost("serve")
    assert (again.code, "upgraded" in again.output) == (DONE, False)


@pytest.mark.parametrize(("proxies", "believed"), [("", False), ("10.0.0.1", True), ("*", True)])
def test_only_proxies_that_are_trusted_say_for_whom_they_ask(
    tradepost: Run, served: Served, proxies: str, believed: bool
) -> None:
    assert tradepost("serve", TRUSTED_PROXIES=proxies).code == DONE
    assert served.options is not None
    assert served.options["proxy_headers"] is believed
    assert served.options["forwarded_allow_ips"] == proxies


def test_a_client_is_not_waited_for_forever(tradepost: Run, served: Served) -> None:
    assert tradepost("serve", CLIENT_TIMEOUT="7").code == DONE
    assert served.options is not None
    connection = served.options["http"]
    assert (connection.func, connection.keywords) == (TimedConnection, {"patience": 7.0})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard  # one for each connection


def test_workers_are_processes_that_build_the_service_themselves(
    tradepost: Run, served: Served
) -> None:
    assert tradepost("serve", "--workers", "2").code == DONE
    assert served.application == "interfaces.asgi:app"
    assert served.options is not None
    assert served.options["workers"] == 2


def test_a_file_that_is_behind_is_kept_as_it_was_before_it_is_served(
    tradepost: Run, served: Served, folder: Path
) -> None:
    tradepost("db", "upgrade", "0001")
    started = tradepost("serve")
    assert started.code == DONE
    assert f"kept as it was at 0001: {folder / 'tradepost.db.0001'}" in started.output
    assert f"upgraded to {HEAD}: " in started.output
    kept = {"DATABASE_URL": "sqlite:///tradepost.db.0001"}
    assert tradepost("db", "current", **kept).output.startswith("the database is at 0001\n")
    assert served.application is not None


def advance(file: Path, *, since: str) -> None:
    """What a newer version would leave, which thought of those back to `since`."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "UPDATE alembic_version SET version_num = '9999', serves_since = ?", (since,)
        )
        connection.commit()


def test_a_file_that_a_newer_version_keeps_fit_for_this_one_is_served(
    tradepost: Run, served: Served, folder: Path
) -> None:
    tradepost("db", "upgrade")
    advance(folder / "tradepost.db", since=HEAD)
    assert tradepost("serve").code == DONE
    assert served.application is not None


def test_a_file_of_a_newer_version_is_left_alone(
    tradepost: Run, served: Served, folder: Path
) -> None:
    tradepost("db", "upgrade")
    advance(folder / "tradepost.db", since="9999")
    for arguments in (("serve",), ADA):
        refused = tradepost(*arguments, PASSWORD=PASSWORD)
        assert refused.code == OTHER_SCHEMA
        assert f"the schema is at 9999, this version needs {HEAD}" in refused.reason
    assert served.application is None


def test_on_a_server_the_schema_is_its_operators_business(
    tradepost: Run, served: Served, empty: str
) -> None:
    shop = {"DATABASE_URL": empty.replace("+asyncpg", ""), "SECRET_KEY": SECRET}
    for arguments in (("serve",), ADA):
        refused = tradepost(*arguments, PASSWORD=PASSWORD, **shop)
        assert refused.code == OTHER_SCHEMA
        assert f"the schema is at nothing, this version needs {HEAD}" in refused.reason
        assert "tradepost db upgrade" in refused.reason
    assert served.application is None
    assert tradepost("db", "check", **shop).code == OTHER_SCHEMA

    assert tradepost("db", "upgrade", **shop).code == DONE
    assert tradepost("db", "check", **shop).code == DONE
    assert tradepost("serve", **shop).code == DONE
    assert served.application is not None
    assert tradepost(*ADA, PASSWORD=PASSWORD, **shop).output == "ada is now there, as admin\n"


def test_without_a_secret_nothing_is_served_from_a_server(
    tradepost: Run, served: Served, empty: str
) -> None:
    refused = tradepost("serve", DATABASE_URL=empty)
    assert refused.code == OTHER_SCHEMA
    assert "TRADEPOST_SECRET_KEY is missing" in refused.reason
    assert served.application is None


def test_a_server_that_is_away_is_one_line(tradepost: Run, served: Served) -> None:
    for arguments in (("serve",), ADA, ("db", "current")):
        refused = tradepost(
            *arguments,
            PASSWORD=PASSWORD,
            DATABASE_URL="postgresql://nobody:canary@127.0.0.1:1/shop",
            SECRET_KEY=SECRET,
        )
        assert refused.code == FAILED
        assert refused.reason.startswith("tradepost")
        assert "canary" not in refused.reason
    assert served.application is None


def test_the_document_is_the_one_that_is_served(tradepost: Run, folder: Path) -> None:
    printed = tradepost("openapi")
    assert (printed.code, printed.errors) == (DONE, "")
    app, _ = application(settings(memory=True))
    assert json.loads(printed.output) == json.loads(json.dumps(app.openapi()))
    assert [*folder.iterdir()] == []


def test_the_document_needs_neither_database_nor_secret(tradepost: Run) -> None:
    printed = tradepost("openapi", DATABASE_URL="postgresql://nobody@127.0.0.1:1/shop")
    assert printed.code == DONE


def test_settings_can_stand_in_a_file(tradepost: Run, folder: Path) -> None:
    (folder / ".env").write_text("TRADEPOST_DATABASE_URL=sqlite:///other.db\nOTHER=1\n")
    assert tradepost("db", "upgrade").code == DONE
    assert (folder / "other.db").exists()
    overridden = tradepost("db", "upgrade", DATABASE_URL="sqlite:///third.db")
    assert overridden.code == DONE
    assert (folder / "third.db").exists()
    assert not (folder / "tradepost.db").exists()
