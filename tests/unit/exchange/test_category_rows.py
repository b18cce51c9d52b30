import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from application.catalog.exchange import CategoryRow
from domain.shared.errors import InvalidValue
from domain.shared.text import slug
from tests.unit.exchange.files import blamed, categories_of, fate, lines_of, refusal_of

UNFIT_MEMBERS: Final[Mapping[str, Sequence[Any]]] = {
    "path": [
        *("Garden", [], None, 5, {}, [5], [None], [["Garden"]], ["a"] * 17),
        *([""], [" "], ["a\nb"], ["a\tb"], ["a\0b"], ["a\x85b"], ["a" * 201]),
    ],
    "slug": [None, 5, "", "A", "a b", "a" * 201],
    "description": [None, 5, ["a"], "a\0", "a" * 10_001],
}


def test_a_row_says_where_a_category_is_and_what() -> None:
    full = {"path": ["Electronics", "TV"], "slug": "tv", "description": "To watch,\nall day"}
    assert categories_of(lines_of({"path": ["Electronics"]}, full)) == [
        CategoryRow(number=1, path=("Electronics",)),
        CategoryRow(
            number=2, path=("Electronics", "TV"), slug=slug("tv"), description="To watch,\nall day"
        ),
    ]


def test_an_empty_description_is_one() -> None:
    [row] = categories_of(lines_of({"path": ["Garden"], "description": ""}))
    assert row == CategoryRow(number=1, path=("Garden",), description="")


@pytest.mark.parametrize(
    ("member", "value"),
    [(member, value) for member, values in UNFIT_MEMBERS.items() for value in values],
)
def test_a_member_that_does_not_fit_is_refused(member: str, value: Any) -> None:
    [row] = categories_of(lines_of({"path": ["Garden"], member: value}))
    assert blamed(row) == member
    assert isinstance(refusal_of(row), InvalidValue)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{}", "path is missing"),
        ('{"path": ["a"], "name": "a"}', "name is not known here"),
        ("[]", "row is no object"),
    ],
)
def test_a_category_has_a_path_and_no_more_than_there_is_to_say(line: str, complaint: str) -> None:
    assert fate(categories_of(line.encode())) == [(1, complaint)]


def test_a_path_is_as_deep_as_categories_nest() -> None:
    path = [*"abcdefghijklmnop"]
    assert fate(categories_of(lines_of({"path": path}))) == [(1, "/".join(path))]


def test_of_two_rows_with_one_path_the_second_is_refused() -> None:
    paths = [["a"], ["a", "b"], ["a"], ["b", "a"], ["a", "b"], ["a b"], ["A"]]
    rows = categories_of(lines_of(*({"path": path} for path in paths)))
    assert fate(rows) == [
        (1, "a"),
        (2, "a/b"),
        (3, "row 1 has the same path"),
        (4, "b/a"),
        (5, "row 2 has the same path"),
        (6, "a b"),
        (7, "A"),
    ]
    assert blamed(rows[2]) == "path"
    assert refusal_of(rows[4]).details["row"] == 2


def test_a_bad_line_costs_itself_alone() -> None:
    file = b"\xef\xbb\xbf" + b'{"path": ["a"]}\r\n\r\n{"path": ["\xff"]}\n{"path":\n{"path": ["b"]}'
    assert [message for _, message in fate(categories_of(file))][:2] == ["a", "path is not UTF-8"]
    assert [row.number for row in categories_of(file)] == [1, 3, 4, 5]


def test_a_path_that_needs_no_escapes_in_json_gets_none() -> None:
    path = ["a > b", "\\", "=1", "'"]
    [row] = categories_of(json.dumps({"path": path}, ensure_ascii=False).encode())
    assert row == CategoryRow(number=1, path=tuple(path))
