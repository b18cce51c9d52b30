"""A real tree of categories, of which some have no row and one has no name, taken over."""

import gzip
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.replay.__main__ import data_folder
from tests.replay.bestbuy import Names, category_lines, read
from tests.replay.invoices import NotTheFile
from tests.servers import CommandFailed, PostgresCluster, run_tradepost, running_server

CATEGORIES: Final = data_folder() / "bestbuy" / "categories.json.gz"
ROWS: Final = 4_584
PARENTS_WITHOUT_A_ROW: Final = 134  # by name; their children stand for them
REFUSED: Final = {
    755: "path: row 730 has the same path",  # Christmas, of Comedy/Spoken
    3752: "path: row 3733 has the same path",  # Insignia Computer Accessories & Peripherals
    3980: "path: is no list of texts",  # the one without a name
    4074: "path: row 4071 has the same path",  # Sling TV Promotion
}

Tree = dict[str, Any]

needs_the_categories = pytest.mark.skipif(
    not CATEGORIES.is_file(), reason=f"the real data is missing: {CATEGORIES}"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of a shop whose database is migrated."""
    url = f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        postgres: PostgresCluster = request.getfixturevalue("postgres")
        postgres.create("replay_bestbuy")
        url = postgres.url("replay_bestbuy")
    found = {"TRADEPOST_DATABASE_URL": url, "TRADEPOST_SECRET_KEY": "s" * 32}
    run_tradepost("db", "upgrade", environment=found, folder=tmp_path)
    return found


def tree_of(paths: Iterable[Names]) -> Tree:
    """The names of the file nested as its paths say, those without a name left out."""
    tree: Tree = {}
    for path in paths:
        below = tree
        for name in path if None not in path else ():
            below = below.setdefault(str(name), {})
    return tree


def size(tree: Tree) -> int:
    return sum(1 + size(below) for below in tree.values())


def served(environment: dict[str, str], folder: Path) -> Tree:
    """The tree as the service shows it, by its names."""

    def names(nodes: list[Any]) -> Tree:
        found = {node["name"]: names(node["children"]) for node in nodes}
        assert len(found) == len(nodes)
        return found

    with running_server(environment, folder / "server.log") as url:
        return names(httpx.get(f"{url}/v1/categories/tree", trust_env=False).json()["items"])


def refusals(told: str) -> dict[int, str]:
    """Why each row was refused, by its number."""
    return {int(row): why for row, why in re.findall(r"^row ([0-9]+): (.*)$", told, re.MULTILINE)}


@needs_the_categories
def test_the_whole_tree_is_taken_over_and_shown_as_it_was(
    environment: dict[str, str], tmp_path: Path
) -> None:
    paths = read(CATEGORIES)
    assert len(paths) == ROWS
    given = tree_of(paths)
    seeded = served(environment, tmp_path)
    file = tmp_path / "categories.ndjson"
    file.write_text("".join(category_lines(paths)), encoding="utf-8")
    command = ("catalog", "import-categories", file.name)
    skip = (*command, "--on-error", "skip")

    # One bad row of thousands is enough to take none of them, unless bad rows are skipped.
    with pytest.raises(CommandFailed, match=f"row 755: {REFUSED[755]}; nothing is imported"):
        run_tradepost(*command, environment=environment, folder=tmp_path)
    told = run_tradepost(*skip, environment=environment, folder=tmp_path)

    assert refusals(told) == REFUSED
    # Every parent without a row of its own is made; some that have one come after their children.
    whole = {**seeded, **given}
    created = size(whole) - size(seeded)
    on_the_way = created + len(REFUSED) - ROWS
    assert on_the_way == PARENTS_WITHOUT_A_ROW
    assert f"categories: {created} created, 0 changed, " in told
    assert served(environment, tmp_path) == whole

    again = run_tradepost(*skip, environment=environment, folder=tmp_path)
    as_they_were = ROWS - len(REFUSED)
    assert f"0 created, 0 changed, {as_they_were} as they were, {len(REFUSED)} refused" in again
    assert refusals(again) == REFUSED


def test_a_file_that_is_missing_or_something_else_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(NotTheFile, match="missing"):
        read(tmp_path / "nothing.json.gz")
    other = tmp_path / "other.json.gz"
    other.write_bytes(b"[]")
    with pytest.raises(NotTheFile, match="not gzipped"):
        read(other)
    for content in (b"{", b'[{"id": "a"}]', b"[1]"):
        other.write_bytes(gzip.compress(content))
        with pytest.raises(NotTheFile, match="no list of categories"):
            read(other)
