"""The four categories of a new shop."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.catalog.category import Category
from domain.shared.ids import EPOCH
from domain.shared.text import slug_of
from infrastructure.memory.seed import open_seeded_shop
from infrastructure.sql.migrating import Migrations
from tests.migrations.databases import Database, add, contents, execute, rows

SEEDS: Final = {
    "Books": "books",
    "Clothing": "clothing",
    "Electronics": "electronics",
    "Home & Garden": "home-garden",
}


def names(database: Database) -> list[str]:
    return [name for (name,) in rows(database, "SELECT name FROM categories ORDER BY name")]


def id_of(database: Database, slug: str) -> Any:
    (id_,) = (
        key for (key,), row in contents(database)["categories"].items() if row["slug"] == slug
    )
    return id_


def seed_again(database: Database, migrations: Migrations) -> None:
    execute(database, "UPDATE alembic_version SET version_num = '0001'")
    migrations.upgrade("0002")


def test_a_new_shop_has_four_categories(database: Database, migrations: Migrations) -> None:
    migrations.upgrade("0002")
    seeds = contents(database)["categories"].values()
    assert {row["name"]: row["slug"] for row in seeds} == SEEDS
    for row in seeds:
        assert row["slug"] == slug_of(row["name"], otherwise="")
        assert (row["version"], row["sequence"], row["parent_id"]) == (1, 0, None)
        assert row["created_at"] == row["updated_at"]


def test_their_ids_are_those_of_the_moment_of_their_making(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade("0002")
    for row in contents(database)["categories"].values():
        id_ = UUID(str(row["id"]))
        assert (id_.version, id_.variant) == (7, UUID(int=2 << 62).variant)
        made: datetime = row["created_at"]
        if made.tzinfo is None:  # SQLite keeps UTC and says nothing of it
            made = made.replace(tzinfo=UTC)
        assert EPOCH + timedelta(milliseconds=id_.int >> 80) == made


def test_a_shop_in_memory_has_the_same(database: Database, migrations: Migrations) -> None:
    migrations.upgrade("0002")
    in_memory = [
        (seed.id, seed.version, seed.sequence, seed.name, seed.slug)
        for seed in open_seeded_shop().all(Category)
    ]
    in_database = [
        (UUID(str(row["id"])), row["version"], row["sequence"], row["name"], row["slug"])
        for row in contents(database)["categories"].values()
    ]
    assert sorted(in_memory) == sorted(in_database)


def test_to_seed_twice_changes_nothing(database: Database, migrations: Migrations) -> None:
    migrations.upgrade("0002")
    before = contents(database)
    seed_again(database, migrations)
    seed_again(database, migrations)
    assert contents(database) == before


def test_a_seed_that_an_administrator_changed_stays_as_it_is(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade("0002")
    execute(
        database,
        "UPDATE categories SET name = 'Paper', slug = 'paper', version = 2 WHERE slug = 'books'",
        "DELETE FROM categories WHERE slug = 'clothing'",
    )
    before = contents(database)["categories"]
    seed_again(database, migrations)
    after = contents(database)["categories"]
    assert names(database) == ["Clothing", "Electronics", "Home & Garden", "Paper"]
    assert {key: after[key] for key in before} == before


def test_the_categories_of_a_running_shop_come_first(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade("0001")
    add(database, "categories", 1, name="All that is printed", slug="books")
    clothing = add(database, "categories", 2, name="Clothing", slug="textiles")
    add(database, "categories", 3, name="Electronics", slug="worn", parent_id=clothing)
    before = contents(database)["categories"]

    migrations.upgrade("0002")

    after = contents(database)["categories"]
    assert {key: after[key] for key in before} == before
    assert sorted(row["slug"] for key, row in after.items() if key not in before) == [
        "electronics",
        "home-garden",
    ]


def test_only_seeds_that_nobody_uses_are_taken_back(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade("0002")
    add(database, "products", 1, category_id=id_of(database, "books"))
    add(database, "categories", 2, name="Shirts", parent_id=id_of(database, "clothing"))
    execute(
        database,
        "UPDATE categories SET description = 'Plugs', version = 2 WHERE slug = 'electronics'",
    )
    migrations.downgrade("0001")
    assert names(database) == ["Books", "Clothing", "Electronics", "Shirts"]

    migrations.upgrade("0002")
    assert names(database) == ["Books", "Clothing", "Electronics", "Home & Garden", "Shirts"]


def test_a_category_of_the_shop_that_looks_like_a_seed_is_not_taken_back(
    database: Database, migrations: Migrations
) -> None:
    migrations.upgrade("0001")
    add(database, "categories", 1, version=1, name="Books", slug="books")
    migrations.upgrade("0002")
    migrations.downgrade("0001")
    assert names(database) == ["Books"]
