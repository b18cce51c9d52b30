import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from application.catalog.search import (
    BEGINS_IN_DESCRIPTION,
    BEGINS_IN_NAME,
    IN_DESCRIPTION,
    IN_NAME,
    MOST_WORDS,
    WORD_LENGTH,
    Searchable,
    words,
    words_of_query,
)

MUG = Searchable.of(name="Big tea mug", sku="MUG-100", description="For teatime and green tea")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("  \t\n ", ()),
        ("!?%_*\"':;-—…🍵", ()),
        ("Tea", ("tea",)),
        ("tea TEA Tea", ("tea",)),
        ("green-tea, 100%", ("green", "tea", "100")),
        ("snake_case", ("snake", "case")),
        ("O'Neill's", ("o", "neill", "s")),
        ("1,50 €", ("1", "50")),
        ("Crème brûlée", ("creme", "brulee")),
        ("cre\u0300me", ("creme",)),
        ("Straße STRASSE", ("strasse",)),
        ("İstanbul", ("istanbul",)),
        ("ＴＥＡ", ("tea",)),
        ("ﬁrst x²", ("first", "x2")),
        ("½", ("1", "2")),
        ("ЧАЙ Ёлка", ("чаи", "елка")),
        ("ΟΔΟΣ οδός", ("οδοσ",)),
        ("緑茶", ("緑茶",)),
        ("a\u200bb", ("a", "b")),
    ],
)
def test_a_text_is_cut_into_plain_words(text: str, found: tuple[str, ...]) -> None:
    assert words(text) == found


def test_several_texts_are_cut_into_the_words_of_all_of_them() -> None:
    assert words("Tea mug", "MUG-1") == ("tea", "mug", "1")


def test_vowel_signs_are_part_of_their_word() -> None:
    assert len(words("किताब")) == 1
    assert len(words("ดื่มชา")) == 1
    assert words("किताब") != words("कीतब")


def test_a_long_word_is_cut_off() -> None:
    assert words("x" * 10_000, "x" * WORD_LENGTH) == ("x" * WORD_LENGTH,)


def test_a_query_is_about_its_first_ten_words() -> None:
    many = [f"w{number}" for number in range(MOST_WORDS + 1)]
    assert words_of_query(" ".join(many)) == (*many[:MOST_WORDS],)
    assert words_of_query("Tea tea " * 50 + "mug") == ("tea", "mug")
    assert words_of_query("%%%") == ()


@given(st.text())
@example("ᾳ")
@example("ŉ")
@example("℀")
@example("\u0345")
def test_words_are_plain_already(text: str) -> None:
    found = words(text)
    assert len({*found}) == len(found)
    assert all(0 < len(word) <= WORD_LENGTH for word in found)
    if all(len(word) < WORD_LENGTH for word in found):
        assert words(" ".join(found)) == found


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text())
def test_every_text_is_found_by_each_of_its_words_and_their_beginnings(
    name: str, description: str
) -> None:
    product = Searchable.of(name=name, sku="X", description=description)
    for word in words(name):
        assert product.score([word]) == IN_NAME
        assert product.score([word[:1]]) >= BEGINS_IN_NAME
    for word in words(description):
        assert product.score([word]) >= IN_DESCRIPTION


@pytest.mark.parametrize(
    ("query", "score"),
    [
        ("tea", IN_NAME),
        ("te", BEGINS_IN_NAME),
        ("green", IN_DESCRIPTION),
        ("gre", BEGINS_IN_DESCRIPTION),
        ("teatime", IN_DESCRIPTION),
        ("mug", IN_NAME),
        ("MUG-100", 2 * IN_NAME),
        ("10", BEGINS_IN_NAME),
        ("big mug", 2 * IN_NAME),
        ("bi gre", BEGINS_IN_NAME + BEGINS_IN_DESCRIPTION),
        ("tea tea", IN_NAME),
        ("ug", 0),
        ("teas", 0),
        ("tea cup", 0),
        ("", 0),
        ("%", 0),
    ],
)
def test_the_better_a_product_fits_the_higher_it_scores(query: str, score: int) -> None:
    assert MUG.score(words_of_query(query)) == score


def test_one_word_in_the_name_is_worth_more_than_any_other_way_of_being_found() -> None:
    assert IN_NAME > BEGINS_IN_NAME > IN_DESCRIPTION > BEGINS_IN_DESCRIPTION > 0
