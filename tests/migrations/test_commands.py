"""The commands that an operator types: `tradepost db …`, and plain `alembic`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from infrastructure.sql.migrating import SCRIPTS, Migrations
from interfaces.commands.db import db_commands
from tests.migrations.databases import Database, PostgresDatabase, SqliteFile, execute, rows

DONE, FAILED, WRONG_USE, OTHER_SCHEMA = range(4)
HEAD: Final = Migrations("sqlite://").head
UNREACHABLE: Final = {
    "no server": "postgresql+asyncpg://nobody@127.0.0.1:1/shop",
    "no folder": "sqlite+aiosqlite:////no/such/folder/shop.db",
}

Run = Callable[..., Result]


def commands(url: str) -> Run:
    application = db_commands(lambda: Migrations(url))
    return lambda *arguments: CliRunner().invoke(application, arguments)


@pytest.fixture
def run(database: Database) -> Run:
    return commands(database.url)


def test_an_upgrade_names_its_steps_and_where_it_leads(run: Run) -> None:
    first = run("upgrade", "0001")
    assert first.exit_code == DONE
    assert first.stdout == "upgraded to 0001: initial schema\nthe database is at 0001\n"

    rest = run("upgrade")
    assert rest.exit_code == DONE
    assert rest.stdout.startswith("upgraded to 0002: the four categories of a new shop\n")
    assert rest.stdout.endswith(f"the database is at {HEAD}\n")

    again = run("upgrade")
    assert (again.exit_code, again.stdout) == (DONE, f"the database is at {HEAD}\n")


def test_a_downgrade_goes_by_steps_or_to_a_revision(run: Run) -> None:
    run("upgrade", "0002")
    back = run("downgrade", "-1")
    assert back.exit_code == DONE
    assert back.stdout == (
        "downgraded from 0002: the four categories of a new shop\nthe database is at 0001\n"
    )
    assert run("downgrade", "base").stdout.endswith("the database is at no revision\n")


def test_the_sql_is_printed_and_not_run(run: Run) -> None:
    printed = run("upgrade", "--sql")
    assert printed.exit_code == DONE
    assert "CREATE TABLE users" in printed.stdout
    assert run("current").stdout.startswith("the database is at no revision\n")
    back = run("downgrade", "0002:0001", "--sql")
    assert "DELETE FROM categories" in back.stdout
    assert "upgraded" not in printed.stdout + back.stdout


def test_current_says_what_is_there_and_what_is_needed(run: Run) -> None:
    run("upgrade", "0001")
    found = run("current")
    assert found.exit_code == DONE
    assert found.stdout == f"the database is at 0001\nthis version needs {HEAD}\n"


def test_a_database_that_fits_passes_the_check(run: Run) -> None:
    run("upgrade")
    found = run("check")
    assert found.exit_code == DONE
    assert found.stdout == (
        f"the database is at {HEAD}\nthis version needs {HEAD}, and that is what is there\n"
    )


def test_a_database_that_is_behind_does_not(run: Run) -> None:
    assert run("check").exit_code == OTHER_SCHEMA
    run("upgrade", "0001")
    found = run("check")
    assert found.exit_code == OTHER_SCHEMA
    assert found.stdout == (
        f"the database is at 0001\nthis version needs {HEAD}: run `tradepost db upgrade`\n"
    )


def test_nor_one_that_is_ahead(run: Run, database: Database) -> None:
    run("upgrade")
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    found = run("check")
    assert found.exit_code == OTHER_SCHEMA
    assert found.stdout.startswith("the database is at 9999\n")
    assert "a newer version was here" in found.stdout
    assert run("history").stdout.endswith(
        "the database is at 9999, which this version does not know\n"
    )
    refused = run("upgrade")
    assert refused.exit_code == FAILED
    assert refused.stderr == "tradepost db: Can't locate revision identified by '9999'\n"


def test_nor_one_that_somebody_changed(run: Run, database: Database) -> None:
    run("upgrade")
    execute(database, "ALTER TABLE users ADD shoe_size INTEGER")
    found = run("check")
    assert found.exit_code == OTHER_SCHEMA
    assert found.stdout.endswith("this would mend them:\n  remove column users shoe_size\n")


BROKEN_OFF: Final = {
    "an index": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_orders_unpaid'::regclass",
        "  build anew index ix_orders_unpaid\n",
    ),
    "a rule": (
        "ALTER TABLE posts DROP CONSTRAINT ck_posts_views_not_negative,"
        " ADD CONSTRAINT ck_posts_views_not_negative CHECK (view_count >= 0) NOT VALID",
        "  validate constraint ck_posts_views_not_negative\n",
    ),
}


@pytest.mark.parametrize(("statement", "words"), BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_nor_one_where_an_upgrade_was_broken_off(
    empty_postgresql: Callable[[], PostgresDatabase], statement: str, words: str
) -> None:
    database = empty_postgresql()
    Migrations(database.url).upgrade()
    execute(database, statement)
    found = commands(database.url)("check")
    assert found.exit_code == OTHER_SCHEMA
    assert found.stdout.endswith(f"this would mend them:\n{words}")


def test_history_tells_what_was_applied(run: Run) -> None:
    run("upgrade", "0001")
    assert run("history").stdout.splitlines()[:2] == [
        "current  0001  initial schema",
        "pending  0002  the four categories of a new shop",
    ]
    run("upgrade", "0002")
    assert run("history").stdout.splitlines()[:2] == [
        "applied  0001  initial schema",
        "current  0002  the four categories of a new shop",
    ]


def test_a_plan_tells_what_each_step_keeps_others_from(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    database = empty_postgresql()
    run = commands(database.url)
    run("upgrade", "0006")
    before = database.schema()
    planned = run("plan")
    assert planned.exit_code == DONE
    at, head, *lines = planned.stdout.splitlines()
    assert at == "the database is at 0006"
    assert re.split("  +", head) == [
        *("revision", "what runs now works", "locks", "meanwhile", "size", "rewritten")
    ]
    (size,) = rows(database, "SELECT pg_total_relation_size('orders') / 1024")[0]
    assert re.split("  +", lines[0]) == [
        *("0007", "before and after", "orders (ACCESS EXCLUSIVE)", "nobody reads or writes"),
        *(f"{size} KiB", "no"),
    ]
    assert re.split("  +", lines[1])[:3] == ["", "transfers (SHARE ROW EXCLUSIVE)", "nobody writes"]
    assert "-- 0007: payments and refunds" in lines
    assert "ALTER TABLE orders VALIDATE CONSTRAINT ck_orders_covered_in_range;" in lines
    assert "CREATE TABLE users (" not in lines
    assert not any(line.startswith("SET application_name") for line in lines)
    assert database.schema() == before


def test_a_plan_for_machines_is_one_document(run: Run, database: Database) -> None:
    steps = json.loads(run("plan", "--json").stdout)
    assert [step["revision"] for step in steps] == [
        revision.revision for revision in Migrations(database.url).history()
    ]
    assert not any(step["works_before"] or step["works_after"] for step in steps)
    run("upgrade", "0003")
    steps = json.loads(run("plan", "--json").stdout)
    assert [(step["revision"], step["works_before"], step["works_after"]) for step in steps][
        :2
    ] == [
        ("0004", True, False),
        ("0005", False, False),
    ]
    assert steps[0]["rewrites"] == []
    assert "CREATE TABLE tags" in steps[0]["sql"]
    assert steps[0]["sql"].endswith("COMMIT;")
    (lock,) = steps[0]["locks"]
    if isinstance(database, SqliteFile):
        assert lock == {
            "of": "the file",
            "mode": "RESERVED",
            "bytes": database.path.stat().st_size,
        }
    else:
        assert (lock["of"], lock["mode"]) == ("products", "ACCESS EXCLUSIVE")
        assert lock["bytes"] > 0
        later = {lock["of"]: lock["bytes"] for step in steps[1:] for lock in step["locks"]}
        assert later["product_search"] is None  # it is not there yet


def test_a_plan_of_nothing_says_so(run: Run) -> None:
    run("upgrade")
    planned = run("plan")
    assert planned.exit_code == DONE
    assert planned.stdout == f"the database is at {HEAD}\nnothing is pending\n"
    assert json.loads(run("plan", "--json").stdout) == []


def test_where_a_newer_version_was_there_is_no_plan(run: Run, database: Database) -> None:
    run("upgrade")
    execute(database, "UPDATE alembic_version SET version_num = '9999'")
    refused = run("plan")
    assert refused.exit_code == FAILED
    assert refused.stderr == (f"tradepost db: the schema is at 9999, this version needs {HEAD}\n")


@pytest.mark.parametrize("url", UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("command", ["upgrade", "downgrade base"])
def test_a_database_out_of_reach_is_one_line(url: str, command: str) -> None:
    refused = commands(url)(*command.split())
    assert refused.exit_code == FAILED
    assert refused.stdout == ""
    assert refused.stderr.startswith("tradepost db: ")
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["current", "check", "history", "plan"])
def test_a_server_out_of_reach_is_one_line(command: str) -> None:
    refused = commands(UNREACHABLE["no server"])(command)
    assert refused.exit_code == FAILED
    assert refused.stderr.count("\n") == 1


def test_to_look_for_a_file_does_not_make_it(tmp_path: Path) -> None:
    run = commands(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    assert run("current").exit_code == DONE
    assert run("check").exit_code == OTHER_SCHEMA
    assert run("history").exit_code == DONE
    assert run("plan").exit_code == DONE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["upgrade", "current", "check", "history", "plan"])
def test_a_file_that_is_no_database_is_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "shop.db").write_text("Dear diary, " * 100, encoding="utf-8")
    refused = commands(f"sqlite+aiosqlite:///{tmp_path}/shop.db")(command)
    assert refused.exit_code == FAILED
    assert refused.stderr == "tradepost db: file is not a database\n"


def test_an_unknown_revision_is_one_line(run: Run) -> None:
    for arguments in (["upgrade", "nonsense"], ["downgrade", "nonsense"]):
        refused = run(*arguments)
        assert refused.exit_code == FAILED
        assert refused.stderr == "tradepost db: Can't locate revision identified by 'nonsense'\n"


@pytest.mark.parametrize("arguments", [["downgrade"], ["upgrade", "a", "b"], ["migrate"]])
def test_wrong_use_is_two(arguments: list[str]) -> None:
    assert commands(UNREACHABLE["no server"])(*arguments).exit_code == WRONG_USE


def plain_alembic(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=SCRIPTS.parent,
        env=os.environ | {"TRADEPOST_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plain_alembic_does_the_same(database: Database) -> None:
    upgraded = plain_alembic("upgrade", "head", url=database.url)
    assert upgraded.returncode == DONE, upgraded.stderr
    assert upgraded.stdout.startswith("upgraded to 0001: initial schema\n")
    assert Migrations(database.url).check().fits

    checked = plain_alembic("check", url=database.url)
    assert checked.returncode == DONE, checked.stderr
    assert plain_alembic("current", url=database.url).stdout == f"{HEAD} (head)\n"


def test_plain_alembic_takes_the_url_as_the_service_does() -> None:
    printed = plain_alembic("upgrade", "head", "--sql", url="postgresql://nobody@127.0.0.1:1/shop")
    assert printed.returncode == DONE, printed.stderr
    assert "JSONB" in printed.stdout
    refused = plain_alembic("upgrade", "head", url="mysql://nobody@127.0.0.1/shop")
    assert refused.returncode != DONE
    assert "TRADEPOST_DATABASE_URL does not fit" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
