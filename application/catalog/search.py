"""
What searching the catalog means, on every backend.

A text is cut into words: letters and digits, without regard to case and to accents. A query finds
a product if each of its words is a word, or the beginning of one, in the product's name, sku or
description. The better a product fits, the higher it scores.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Self
from uuid import UUID

from domain.shared.text import folded

IN_NAME: Final = 8
BEGINS_IN_NAME: Final = 4
IN_DESCRIPTION: Final = 2
BEGINS_IN_DESCRIPTION: Final = 1

# Of so many matches, the oldest, the best come first; the others follow as they were added. So a
# word that everything contains costs no more than another.
MOST_RANKED: Final = 1_000
UNRANKED: Final = 0
MOST_WORDS: Final = 10  # of a query
WORD_LENGTH: Final = 100  # what is longer is cut off, in a query as well

# A table for bytes, with which ASCII is translated ten times as quickly.
_SPACED: Final = bytes(code if chr(code).isalnum() else ord(" ") for code in range(256))
_beginning = itemgetter(slice(WORD_LENGTH))


def words(*texts: str) -> tuple[str, ...]:
    """Each word once, in the order of their first mention."""
    text = folded(" ".join(texts))
    found = text.encode().translate(_SPACED).decode() if text.isascii() else _unaccented(text)
    return tuple(dict.fromkeys(map(_beginning, found.split())))


def _unaccented(text: str) -> str:
    """Its letters and digits, with spaces for what is between them."""
    return "".join(map(_letter, unicodedata.normalize("NFKD", text)))


def _letter(character: str) -> str:
    if unicodedata.combining(character):
        return ""
    # A mark that does not combine is a vowel sign, as in Hindi, and a part of its word.
    is_mark = unicodedata.category(character).startswith("M")
    return character if character.isalnum() or is_mark else " "


def words_of_query(query: str) -> tuple[str, ...]:
    """The words that a query is about: its first ten."""
    return words(query)[:MOST_WORDS]


@dataclass(frozen=True, slots=True)
class Searchable:
    """The words that a product can be found by; the sku counts as a part of the name."""

    name: tuple[str, ...]
    description: tuple[str, ...]

    @classmethod
    def of(cls, *, name: str, sku: str, description: str) -> Self:
        return cls(words(name, sku), words(description))

    def score(self, query: Sequence[str]) -> int:
        """The sum of what each word scores, or 0 if one of them is not there."""
        scores = [self._score(word) for word in query]
        return sum(scores) if all(scores) else 0

    def _score(self, word: str) -> int:
        if word in self.name:
            return IN_NAME
        if _begins_one(word, self.name):
            return BEGINS_IN_NAME
        if word in self.description:
            return IN_DESCRIPTION
        return BEGINS_IN_DESCRIPTION if _begins_one(word, self.description) else 0


def _begins_one(beginning: str, found: Iterable[str]) -> bool:
    return any(word.startswith(beginning) for word in found)


@dataclass(frozen=True, slots=True)
class Rank:
    """
    Where a product stands among those that a query finds.

    `score` counts down from zero, so that the best come first. `last` is the id of the last product
    that is ranked, None if all are; a walk keeps to it, so that nothing gets from one side of it to
    the other while it goes on.
    """

    score: int
    last: UUID | None

    def __str__(self) -> str:
        return f"{self.score} {self.last.hex if self.last else ''}"

    @classmethod
    def parse(cls, text: str) -> Self:
        score, _, last = text.partition(" ")
        return cls(int(score), UUID(hex=last) if last else None)
