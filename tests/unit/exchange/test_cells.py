import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.shared.errors import InvalidValue
from interfaces.exchange.cells import guarded, joined, split, unguarded

spiteful = st.text(alphabet=st.sampled_from("'=+-@\t\r\n a"))
names = st.text(alphabet=st.sampled_from("\\> a'"), min_size=1)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''@"])
def test_what_a_spreadsheet_would_run_is_written_as_text(start: str) -> None:
    assert guarded(f"{start}1+1") == f"'{start}1+1"
    assert unguarded(f"'{start}1+1") == f"{start}1+1"


@pytest.mark.parametrize(
    "cell", ["", "a", "7.99", "a=1", " =1", "'", "'a", "''", "'t Hooft", "\n="]
)
def test_other_cells_are_left_alone(cell: str) -> None:
    assert guarded(cell) == unguarded(cell) == cell


@given(st.text() | spiteful)
def test_guarding_loses_nothing(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert not guarded(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("path", "cell"),
    [
        (["Garden"], "Garden"),
        (["Electronics", "TV & Radio"], "Electronics > TV & Radio"),
        (["a > b", "c"], r"a \> b > c"),
        (["a>b"], r"a\>b"),
        (["\\", ">"], r"\\ > \>"),
        ([" a ", " b "], " a  >  b "),
        (["\\>"], r"\\\>"),
    ],
)
def test_a_path_is_its_names_from_the_root_down(path: list[str], cell: str) -> None:
    assert joined(path) == cell
    assert split("category", cell) == path


@given(st.lists(names | st.text(min_size=1), min_size=1))
def test_any_names_make_a_path_that_is_read_as_it_was_written(path: list[str]) -> None:
    assert split("category", joined(path)) == path


@pytest.mark.parametrize("cell", ["a>b", "a >b", "a> b", "> a", "a >", r"a\b", "\\", r"a > b\n"])
def test_a_path_is_not_guessed(cell: str) -> None:
    with pytest.raises(InvalidValue, match="category has a > or a"):
        split("category", cell)
