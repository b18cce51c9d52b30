"""The command `tradepost catalog`: whole catalogs as files."""

import json
import os
import pty
import select
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from application.catalog import loading
from tests.http import test_cli
from tests.http.api import SECRET
from tests.http.test_cli import DONE, FAILED, FILE, OTHER_SCHEMA, WRONG_USE, Run
from tests.servers import COMMAND

# What its tests run the command with.
folder = test_cli.folder
tradepost = test_cli.tradepost
empty = test_cli.empty

COLUMNS: Final = "sku,name,price,currency,stock,slug,description,category,tags,is_active,metadata"
MUG: Final = "MUG,Mug,7.99,USD,0,mug,,,,true,{}"


@pytest.fixture(autouse=True)
def migrated(tradepost: Run) -> None:
    """What is done once, and told by whichever command comes first."""
    assert tradepost("db", "upgrade").code == DONE


def write(file: str, *lines: str, header: str = "sku,name,price") -> str:
    Path(file).write_text("".join(f"{line}\n" for line in (header, *lines)))
    return file


def write_objects(file: str, *members: dict[str, Any]) -> str:
    Path(file).write_text("".join(f"{json.dumps(one)}\n" for one in members))
    return file


def skus() -> list[str]:
    with closing(sqlite3.connect(FILE)) as connection:
        return [sku for (sku,) in connection.execute("SELECT sku FROM products ORDER BY sku")]


def test_a_file_is_imported_and_told_of_in_one_line(tradepost: Run) -> None:
    file = write("mugs.csv", "MUG,Mug,7.99", "CUP,Cup,1")
    done = tradepost("catalog", "import", file)
    said = "products: 2 created, 0 changed, 0 as they were, 0 refused\n"
    assert (done.code, done.output, done.errors) == (DONE, said, "")
    write("mugs.csv", "MUG,Big mug,7.99", "CUP,Cup,1")
    done = tradepost("catalog", "import", file)
    said = "products: 0 created, 1 changed, 1 as they were, 0 refused\n"
    assert (done.code, done.output, done.errors) == (DONE, said, "")


def test_a_bad_row_is_one_line_and_nothing_is_imported(tradepost: Run) -> None:
    for lines, complaint in (
        (["MUG,Mug,1", "CUP,,1"], "row 3: name: is blank"),
        (["MUG,Mug,1", "CUP,Cup"], "row 3: row: has 2 of 3 cells"),
        (["MUG,Mug,1", "MUG,Mug,1"], "row 3: sku: row 2 has the same sku"),
    ):
        refused = tradepost("catalog", "import", write("mugs.csv", *lines))
        assert refused.code == FAILED
        assert refused.reason == f"tradepost: {complaint}; nothing is imported"
        assert skus() == []


def test_a_table_without_its_columns_is_one_line(tradepost: Run) -> None:
    for on_error in ("abort", "skip"):
        file = write("mugs.csv", "MUG,1", header="sku,price")
        refused = tradepost("catalog", "import", file, "--on-error", on_error)
        assert refused.code == FAILED
        assert refused.reason == "tradepost: the header lacks 'name'"


def test_each_row_that_is_skipped_is_one_line(
    tradepost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BATCH", 2)
    lines = ["MUG,,1", "CUP,Cup,1", "POT,Pot,1.999", "PAN,Pan,1", "CUP,Cup,1"]
    done = tradepost("catalog", "import", write("mugs.csv", *lines), "--on-error", "skip")
    assert done.code == DONE
    assert done.output == "products: 2 created, 0 changed, 0 as they were, 3 refused\n"
    assert done.errors.splitlines() == [
        "row 2: name: is blank",
        "row 4: price: has more than 2 decimals of USD",
        "row 6: sku: row 3 has the same sku",
    ]
    assert skus() == ["CUP", "PAN"]


def test_a_refusal_of_whatever_stands_in_a_file_is_one_line(tradepost: Run) -> None:
    odd = {"sku": "MUG", "name": "Mug", "price": {"amount": "1", "currency": "USD"}}
    for member in ("a\nb", "\u001b[31mred", "\u0085", "x" * 1_000):
        file = write_objects("mugs.ndjson", {**odd, member: 1})
        done = tradepost("catalog", "import", file, "--on-error", "skip")
        assert done.code == DONE
        [line] = done.errors.splitlines()
        assert line.isprintable()
        assert len(line) < 200


def test_the_name_of_a_file_tells_its_format_unless_it_is_said(tradepost: Run) -> None:
    mug = {"sku": "MUG", "name": "Mug", "price": {"amount": "1", "currency": "USD"}}
    for file in ("mugs.ndjson", "mugs.JSONL"):
        assert tradepost("catalog", "import", write_objects(file, mug)).code == DONE
    assert tradepost("catalog", "import", write("mugs.CSV", "MUG,Mug,1")).code == DONE
    assert tradepost("catalog", "import", write("mugs.txt", "MUG,Mug,1")).code == WRONG_USE
    done = tradepost("catalog", "import", "mugs.txt", "--format", "csv")
    assert (done.code, "1 as they were" in done.output) == (DONE, True)
    done = tradepost("catalog", "import", write_objects("mugs.csv", mug), "--format", "ndjson")
    assert (done.code, "1 as they were" in done.output) == (DONE, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("import", "nothing.csv"),
        ("import", "."),
        ("import", "mugs.csv", "--on-error", "perhaps"),
        ("import", "mugs.csv", "--format", "xml"),
        ("import-categories", "nothing.ndjson"),
        ("export", "mugs.txt"),
        ("export", "mugs.csv", "more.csv"),
    ],
)
def test_wrong_use_is_told_and_changes_nothing(
    tradepost: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    write("mugs.csv", "MUG,Mug,1")
    before = {file.name for file in folder.iterdir()}
    refused = tradepost("catalog", *arguments)
    assert (refused.code, refused.output) == (WRONG_USE, "")
    assert "Traceback" not in refused.errors
    assert skus() == []
    assert {file.name for file in folder.iterdir()} == before


def test_prices_without_a_currency_are_in_that_of_the_shop(tradepost: Run) -> None:
    file = write("mugs.csv", "MUG,Mug,799")
    assert tradepost("catalog", "import", file, CURRENCY="JPY").code == DONE
    assert ",799,JPY," in tradepost("catalog", "export").output


def test_a_catalog_is_exported_to_standard_output(tradepost: Run) -> None:
    tradepost("catalog", "import", write("mugs.csv", "MUG,Mug,7.99"))
    done = tradepost("catalog", "export")
    assert (done.code, done.errors) == (DONE, "1 products exported\n")
    assert done.output.splitlines() == [COLUMNS, MUG]
    done = tradepost("catalog", "export", "--format", "ndjson")
    assert json.loads(done.output)["sku"] == "MUG"


def test_a_catalog_is_exported_to_a_file_in_the_format_of_its_name(
    tradepost: Run, folder: Path
) -> None:
    tradepost("catalog", "import", write("mugs.csv", "MUG,Mug,7.99"))
    before = {file.name for file in folder.iterdir()}
    for name in ("out.csv", "out.ndjson"):
        done = tradepost("catalog", "export", name)
        assert (done.code, done.output, done.errors) == (DONE, "", "1 products exported\n")
    assert {file.name for file in folder.iterdir()} - before == {"out.csv", "out.ndjson"}
    assert (folder / "out.csv").read_bytes() == f"{COLUMNS}\r\n{MUG}\r\n".encode()
    for name in ("out.csv", "out.ndjson"):
        assert "1 as they were" in tradepost("catalog", "import", name).output


def test_an_export_that_fails_leaves_the_file_that_was_there(tradepost: Run, folder: Path) -> None:
    (folder / "out.csv").write_text("as it was")
    (folder / FILE).write_bytes(b"no database" * 1_000)
    assert tradepost("catalog", "export", "out.csv").code != DONE
    assert (folder / "out.csv").read_text() == "as it was"
    assert not [*folder.glob("*.part")]


def test_a_file_that_cannot_be_written_is_one_line(tradepost: Run, folder: Path) -> None:
    refused = tradepost("catalog", "export", "nowhere/out.csv")
    assert refused.code in (FAILED, WRONG_USE)
    assert (refused.output, "Traceback" in refused.errors) == ("", False)
    assert not (folder / "nowhere").exists()


def test_a_tree_of_categories_is_imported(tradepost: Run) -> None:
    rows: list[dict[str, Any]] = [{"path": ["A", "B"]}, {"path": ["A"], "slug": "top"}]
    file = write_objects("tree.ndjson", *rows)
    done = tradepost("catalog", "import-categories", file)
    said = "categories: 2 created, 1 changed, 0 as they were, 0 refused\n"
    assert (done.code, done.output, done.errors) == (DONE, said, "")
    write_objects("tree.ndjson", *rows, {"path": []})
    refused = tradepost("catalog", "import-categories", file)
    assert refused.code == FAILED
    assert refused.reason == "tradepost: row 3: path: is not 1 to 16 names; nothing is imported"
    done = tradepost("catalog", "import-categories", file, "--on-error", "skip")
    assert done.output == "categories: 0 created, 0 changed, 2 as they were, 1 refused\n"
    assert done.errors == "row 3: path: is not 1 to 16 names\n"


def test_what_can_be_found_is_made_findable_anew(tradepost: Run) -> None:
    tradepost("catalog", "import", write("mugs.csv", "MUG,Mug,7.99", "CUP,Cup,1"))
    done = tradepost("catalog", "reindex")
    assert (done.code, done.output, done.errors) == (DONE, "2 products can be found\n", "")


def test_a_schema_of_another_version_is_left_alone(tradepost: Run, empty: str) -> None:
    file = write("mugs.csv", "MUG,Mug,1")
    for arguments in (("import", file), ("export",), ("reindex",)):
        refused = tradepost("catalog", *arguments, DATABASE_URL=empty, SECRET_KEY=SECRET)
        assert refused.code == OTHER_SCHEMA
        assert "tradepost db upgrade" in refused.reason


def test_on_a_terminal_one_sees_how_far_it_is(folder: Path) -> None:
    write("mugs.csv", *(f"MUG-{n},Mug,1" for n in range(3)))
    master, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if "TRADEPOST" not in name}
    ended = subprocess.run(
        [COMMAND, "catalog", "import", "mugs.csv"],
        cwd=folder,
        env={**environment, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=60,
        check=False,
    )
    shown = b""
    while select.select([master], [], [], 0)[0]:
        shown += os.read(master, 4_096)
    os.close(master)
    os.close(terminal)
    assert ended.returncode == DONE
    assert ended.stdout == b"products: 3 created, 0 changed, 0 as they were, 0 refused\n"
    assert b"mugs.csv" in shown
    assert b"100%" in shown
