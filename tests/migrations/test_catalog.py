"""What the step to tags, stock movements and search makes of a shop that has products."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import pytest
from alembic.script import ScriptDirectory
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection

from application.catalog.search import words
from infrastructure.sql.catalog.places import ROOM
from infrastructure.sql.catalog.search import index
from infrastructure.sql.migrating import SCRIPTS, Migrations
from tests.builders import a_product
from tests.migrations.databases import (
    NOON,
    Database,
    PostgresDatabase,
    SqliteFile,
    add,
    add_many,
    contents,
    execute,
    rows,
    within,
)
from tests.migrations.test_offline import script

BATCH: Final = 1_000  # of products that are indexed together
TEXTS: Final = (  # a name, a description and a sku
    ("Crème brûlée", "dish for four", "MUG-0001"),
    ("CREME", "creme, CRÈME & crème", "a-b-c--d"),
    ("Straße №5 Ⅷ ½", "ﬁne İstanbul ΣΊΣΥΦΟΣ", "IJ-1"),
    ("茶 ポット", "'); DROP TABLE products; -- \\ \" * : &", "A-1"),
    ("!?", "", "-"),
    ("long " + "x" * 150, "y" * 150 + " " + "ß" * 150, "LONG"),
    ("twice twice", "twice", "TWICE"),
)


def open_shop(database: Database, *given: Mapping[str, Any]) -> list[Any]:
    """Products where a shop has them that knows of no tags yet; returns their ids."""
    Migrations(database.url).upgrade("0003")
    plain = {"category_id": None, "deleted_at": None}
    return add_many(database, "products", [plain | {**values} for values in given])


def movements(database: Database) -> list[tuple[Any, ...]]:
    return rows(
        database,
        "SELECT product_id, change, stock_after, cause, actor_id, reason, order_id, at"
        " FROM stock_movements ORDER BY product_id",
    )


def test_what_is_in_stock_came_there_by_one_movement(
    database: Database, migrations: Migrations
) -> None:
    stocks = (0, 1, 2_147_483_647, 0, 7)
    ids = open_shop(database, *({"stock": stock} for stock in stocks))
    shop = contents(database)["products"]
    migrations.upgrade("0004")

    found = contents(database)["stock_movements"]
    assert len({UUID(str(id_)) for (id_,) in found}) == 3
    assert {
        row["product_id"]: (row["change"], row["stock_after"], row["at"]) for row in found.values()
    } == {
        id_: (stock, stock, shop[(id_,)]["updated_at"])
        for id_, stock in zip(ids, stocks, strict=True)
        if stock
    }
    for row in found.values():
        assert (row["cause"], row["reason"]) == ("adjustment", "opening stock")
        assert (UUID(str(row["actor_id"])), row["order_id"]) == (UUID(int=0), None)


def test_what_is_deleted_or_inactive_is_opened_and_indexed_as_well(
    database: Database, migrations: Migrations
) -> None:
    gone, hidden = open_shop(
        database, {"stock": 4, "deleted_at": NOON}, {"stock": 5, "is_active": False}
    )
    migrations.upgrade("0004")
    assert {movement[0]: movement[1] for movement in movements(database)} == {gone: 4, hidden: 5}
    assert contents(database)["product_search"].keys() == {(gone,), (hidden,)}


def test_an_upgrade_indexes_the_words_that_storing_a_product_does(
    database: Database, migrations: Migrations
) -> None:
    """As long as the application cuts words as it did at this revision."""
    products = [
        a_product(name=name, description=description, sku_text=sku)
        for name, description, sku in TEXTS
    ]
    open_shop(
        database,
        *(
            {
                "id": product.id.hex if isinstance(database, SqliteFile) else product.id,
                "name": product.name,
                "description": product.description,
                "sku": product.sku,
            }
            for product in products
        ),
    )
    migrations.upgrade("0004")
    migrated = contents(database)["product_search"]

    def index_again(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM product_search")
        index(connection, products)

    within(database, index_again)
    assert len(migrated) == len(products)
    assert migrated == contents(database)["product_search"]


@pytest.mark.parametrize("number", [1, BATCH, 2 * BATCH + 1])
def test_every_product_is_indexed_however_many_there_are(
    database: Database, migrations: Migrations, number: int
) -> None:
    ids = open_shop(database, *({} for _ in range(number)))
    migrations.upgrade("0004")
    assert contents(database)["product_search"].keys() == {(id_,) for id_ in ids}


def test_products_have_no_tags_at_first_nor_if_an_old_version_adds_them(
    database: Database, migrations: Migrations
) -> None:
    open_shop(database, {}, {})
    [columns] = {", ".join(row) for row in contents(database)["products"].values()}
    execute(
        database,
        f"CREATE TABLE kept AS SELECT {columns} FROM products WHERE version = 2",  # noqa: S608
        "DELETE FROM products WHERE version = 2",
    )
    migrations.upgrade("0004")
    # An old version names the columns that revision 0003 has.
    execute(
        database,
        f"INSERT INTO products ({columns}) SELECT {columns} FROM kept",  # noqa: S608
        "DROP TABLE kept",
    )
    assert [row["tags"] for row in contents(database)["products"].values()] == [[], []]


def test_after_a_downgrade_the_stock_is_opened_again_as_it_is_then(
    database: Database, migrations: Migrations
) -> None:
    sold_out, left = open_shop(database, {"stock": 9}, {"stock": 8})
    migrations.upgrade("0004")
    indexed = contents(database)["product_search"]
    execute(database, "UPDATE products SET stock = 0 WHERE stock = 9")
    migrations.downgrade("0003")
    migrations.upgrade("0004")

    assert [movement[:3] for movement in movements(database)] == [(left, 8, 8)]
    assert indexed.keys() == {(sold_out,), (left,)}
    assert contents(database)["product_search"] == indexed


def test_a_script_opens_the_stock_and_says_who_is_to_index_the_words(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    online, offline = empty_postgresql(), empty_postgresql()
    for database in (online, offline):
        open_shop(database, {"stock": 3}, {"stock": 0})
    Migrations(online.url).upgrade("0004")
    steps = script(revision="0003:0004")
    offline.execute(steps)

    assert offline.schema() == online.schema()
    assert movements(offline) == movements(online)
    assert contents(offline)["products"] == contents(online)["products"]
    assert contents(offline)["product_search"] == {}
    assert "tradepost catalog reindex" in steps


@given(st.lists(st.text(), min_size=1, max_size=3))
@example(["Crème ﬁne", "STRASSE straße", "Ⅷ ½ №"])
@example(["İ ͅΑ ǰ ẞ"])
@example(["x" * 101 + " " + "x" * 100])
def test_the_step_cuts_words_as_the_application_does(texts: list[str]) -> None:
    """At this revision: who changes the words of the application later takes this test away."""
    step = ScriptDirectory(str(SCRIPTS)).get_revision("0004").module
    assert tuple(step._words(*texts)) == words(*texts)


def test_only_a_little_ever_waits_to_be_indexed(
    empty_postgresql: Callable[[], PostgresDatabase],
) -> None:
    database = empty_postgresql()
    migrations = Migrations(database.url)

    def options() -> list[str]:
        query = "SELECT reloptions FROM pg_class WHERE relname = 'ix_product_search_words'"
        [(found,)] = rows(database, query)
        return sorted(found)

    migrations.upgrade("0005")
    before = options()
    migrations.upgrade("0006")
    assert options() == ["fastupdate=on", "gin_pending_list_limit=64"]
    migrations.downgrade("0005")
    assert options() == before == ["fastupdate=off"]


def test_tags_know_what_is_on_sale(database: Database, migrations: Migrations) -> None:
    ids = open_shop(database, {"is_active": True}, {"is_active": False}, {"deleted_at": NOON})
    migrations.upgrade("0009")
    add(database, "tags", 0, slug="tea")
    execute(database, "INSERT INTO product_tags (slug, product_id) SELECT 'tea', id FROM products")
    migrations.upgrade("0011")
    shown = {
        row["product_id"]: row["on_sale"] for row in contents(database)["product_tags"].values()
    }
    assert shown == dict(zip(ids, (True, False, False), strict=True))
    migrations.downgrade("0009")
    assert len(contents(database)["product_tags"]) == len(ids)


def test_the_words_in_sqlite_are_put_in_order(empty_sqlite: Callable[[], SqliteFile]) -> None:
    file = empty_sqlite()
    open_shop(file, *({} for _ in range(3)))
    migrations = Migrations(file.url)
    migrations.upgrade("0009")
    execute(
        file,
        "CREATE TABLE kept AS SELECT * FROM product_search ORDER BY product_id DESC",
        "DELETE FROM product_search",
        "INSERT INTO product_search SELECT * FROM kept ORDER BY product_id DESC",
        "DROP TABLE kept",
    )
    before = contents(file)["product_search"]
    migrations.upgrade("0011")
    found = rows(file, "SELECT rowid, product_id FROM product_search ORDER BY rowid")
    assert [rowid for rowid, _ in found] == [ROOM, 2 * ROOM, 3 * ROOM]
    assert [id_ for _, id_ in found] == sorted(id_ for _, id_ in found)
    assert contents(file)["product_search"] == before
