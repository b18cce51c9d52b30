"""The command `tradepost verify`: what it prints of a shop, and how it exits."""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from application.auditing.checks import CHECKS, REFERENCES
from application.auditing.queries import MOST_SHOWN
from infrastructure.sql.migrating import Migrations
from tests.http import test_cli
from tests.http.test_cli import DONE, FAILED, FILE, HEAD, OTHER_SCHEMA, WRONG_USE, Run

# What its tests run the command with.
folder = test_cli.folder
tradepost = test_cli.tradepost
empty = test_cli.empty

GHOST: Final = UUID(int=99).hex


def execute(statement: str, *values: Any) -> None:
    """Past every rule, as only somebody can who has the file."""
    with closing(sqlite3.connect(FILE)) as connection:
        connection.execute(statement, values)
        connection.commit()


def contents() -> list[str]:
    with closing(sqlite3.connect(FILE)) as connection:
        return [*connection.iterdump()]


def categories() -> list[str]:
    with closing(sqlite3.connect(FILE)) as connection:
        rows: Iterable[tuple[str]] = connection.execute("SELECT id FROM categories ORDER BY id")
        return [str(UUID(id)) for (id,) in rows]


@pytest.fixture
def migrated(tradepost: Run) -> None:
    assert tradepost("db", "upgrade").code == DONE


@pytest.mark.usefixtures("migrated")
def test_a_shop_in_order_is_a_table_without_offenders(tradepost: Run) -> None:
    before = contents()

    done = tradepost("verify")

    assert (done.code, done.errors) == (DONE, "")
    head, *lines = done.output.splitlines()
    assert head.split() == ["check", "rows", "offenders"]
    assert [line[: len(check.rule)] for check, line in zip(CHECKS, lines, strict=True)] == [
        check.rule for check in CHECKS
    ]
    assert {line.split()[-1] for line in lines} == {"0"}
    assert {len(line) for line in (head, *lines)} == {len(head)}
    assert contents() == before


@pytest.mark.usefixtures("migrated")
def test_what_is_wrong_is_told_with_its_id_and_exit_code_1(tradepost: Run) -> None:
    execute("UPDATE categories SET parent_id = ? WHERE slug = 'books'", GHOST)

    failed = tradepost("verify")

    assert (failed.code, failed.errors) == (FAILED, "")
    lines = failed.output.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith(REFERENCES.rule)]
    assert lines[place].split()[-2:] == ["1", "1"]
    assert lines[place + 1] == (
        f"  {categories()[2]} refers by categories.parent_id to {UUID(GHOST)}, which is not there"
    )
    assert len(lines) == len(CHECKS) + 2


@pytest.mark.usefixtures("migrated")
def test_of_many_offenders_the_first_are_told(tradepost: Run) -> None:
    for number in range(MOST_SHOWN + 5):
        execute(
            "INSERT INTO tags VALUES (?, 1, 0, 'tag', ?, '2999-01-01 00:00:00.000000')",
            UUID(int=number).hex,
            f"tag-{number}",
        )

    failed = tradepost("verify")

    assert failed.code == FAILED
    told = [line for line in failed.output.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in told[:-1]] == [
        str(UUID(int=number)) for number in range(MOST_SHOWN)
    ]
    assert told[-1] == "  and 5 more"


@pytest.mark.usefixtures("migrated")
def test_the_same_can_be_had_for_machines(tradepost: Run) -> None:
    in_order = json.loads(tradepost("verify", "--json").output)
    execute("UPDATE categories SET parent_id = ? WHERE slug = 'books'", GHOST)

    failed = tradepost("verify", "--json")

    assert failed.code == FAILED
    found = json.loads(failed.output)
    assert (in_order["holds"], found["holds"]) == (True, False)
    assert [one["check"] for one in found["checks"]] == [check.code for check in CHECKS]
    [broken] = [one for one in found["checks"] if one["offenders"]]
    what = f"refers by categories.parent_id to {UUID(GHOST)}, which is not there"
    assert broken == {
        "check": REFERENCES.code,
        "rule": REFERENCES.rule,
        "rows": 1,
        "offenders": 1,
        "findings": [{"id": categories()[2], "what": what}],
    }


def test_a_schema_that_is_behind_is_left_as_it_is(tradepost: Run, folder: Path) -> None:
    refused = tradepost("verify")
    assert refused.code == OTHER_SCHEMA
    reason = f"tradepost: the schema is at nothing, this version needs {HEAD}"
    assert refused.reason == f"{reason}: run `tradepost db upgrade`"
    assert [*folder.iterdir()] == []

    Migrations(f"sqlite+aiosqlite:///{FILE}").upgrade("0001")
    refused = tradepost("verify")
    assert refused.code == OTHER_SCHEMA
    assert refused.reason.startswith("tradepost: the schema is at 0001, this version needs")
    assert Migrations(f"sqlite+aiosqlite:///{FILE}").current() == "0001"


def test_a_shop_on_a_server_is_checked_as_well(tradepost: Run, empty: str) -> None:
    assert tradepost("verify", DATABASE_URL=empty).code == OTHER_SCHEMA
    assert tradepost("db", "upgrade", DATABASE_URL=empty).code == DONE

    done = tradepost("verify", DATABASE_URL=empty)

    assert (done.code, done.errors) == (DONE, "")
    assert len(done.output.splitlines()) == len(CHECKS) + 1


def test_a_new_shop_in_memory_is_in_order(tradepost: Run) -> None:
    assert tradepost("verify", MEMORY="true").code == DONE


def test_a_database_that_is_away_is_one_line(tradepost: Run) -> None:
    refused = tradepost("verify", DATABASE_URL="postgresql://nobody:canary@127.0.0.1:1/shop")
    assert refused.code == FAILED
    assert "canary" not in refused.reason


def test_there_is_nothing_more_to_say_to_it(tradepost: Run) -> None:
    assert tradepost("verify", "everything").code == WRONG_USE
