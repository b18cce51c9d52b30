"""Every revision, on tables with rows in them."""

import ast
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from alembic.script import ScriptDirectory

from infrastructure.sql.migrating import SCRIPTS, Migrations
from tests.migrations.databases import ROWS, Contents, Database, contents, fill

SCRIPTS_IN_ORDER: Final = [*ScriptDirectory(str(SCRIPTS)).walk_revisions()][::-1]
STEPS: Final = [*pairwise(["base", *(script.revision for script in SCRIPTS_IN_ORDER)])]
APPLICATION: Final = {"domain", "application", "infrastructure", "interfaces"}


def where_both_have_it(found: Contents, wanted: Contents) -> tuple[Contents, Contents]:
    """Both, without the tables and columns that only one of them has. No row is left out."""
    tables = found.keys() & wanted.keys()
    columns = {
        name: {
            column
            for side in (found, wanted)
            for column in next(iter(side[name].values()), {})
            if all(column in row for each in (found, wanted) for row in each[name].values())
        }
        for name in tables
    }

    def cut(side: Contents) -> Contents:
        return {
            name: {
                key: {column: row[column] for column in columns[name]}
                for key, row in side[name].items()
            }
            for name in tables
        }

    return cut(found), cut(wanted)


def without(rows: Contents, others: Contents) -> Contents:
    return {
        name: {key: row for key, row in table.items() if key not in others.get(name, {})}
        for name, table in rows.items()
    }


@pytest.mark.parametrize(("previous", "revision"), STEPS)
def test_every_step_can_be_taken_back_and_taken_again(
    database: Database, migrations: Migrations, previous: str, revision: str
) -> None:
    migrations.upgrade(previous)
    fill(database)
    old_schema, old_rows = database.schema(), contents(database)

    migrations.upgrade(revision)
    new_schema, migrated = database.schema(), contents(database)
    seeds = without(migrated, old_rows) if previous != "base" else {}
    found, wanted = where_both_have_it(without(migrated, seeds), old_rows)
    assert found == wanted

    fill(database, first=ROWS)
    full = contents(database)
    assert all(len(table) >= 100 for table in full.values())

    migrations.downgrade(previous)
    assert database.schema() == old_schema
    left = contents(database)
    found, wanted = where_both_have_it(left, without(full, seeds))
    assert found.keys() == old_rows.keys()
    assert found == wanted

    migrations.upgrade(revision)
    assert database.schema() == new_schema
    _, lasting = where_both_have_it(left, full)
    found, wanted = where_both_have_it(contents(database), lasting)
    assert found == wanted


def test_all_steps_at_once_lead_to_the_same_schema_and_back(
    database: Database, migrations: Migrations
) -> None:
    nothing = database.schema()
    migrations.upgrade()
    schema = database.schema()
    fill(database)

    migrations.downgrade("base")
    assert database.schema() == nothing
    assert contents(database) == {}
    assert migrations.current() is None

    migrations.upgrade()
    assert database.schema() == schema


def test_history_is_one_line_without_branches() -> None:
    scripts = ScriptDirectory(str(SCRIPTS))
    assert scripts.get_heads() == [SCRIPTS_IN_ORDER[-1].revision]
    assert scripts.get_bases() == [SCRIPTS_IN_ORDER[0].revision]
    assert not any(script.is_merge_point for script in SCRIPTS_IN_ORDER)


@pytest.mark.parametrize("file", sorted((SCRIPTS / "versions").glob("*.py")), ids=lambda f: f.name)
def test_a_revision_does_not_depend_on_code_that_will_change(file: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert "alembic" in imported
    assert not imported & APPLICATION
