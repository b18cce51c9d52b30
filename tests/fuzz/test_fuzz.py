"""A short run of what `make fuzz` does for minutes; the same each time."""

from typing import Final

from tests.fuzz.__main__ import main

SHORT: Final = ("--phases", "fuzzing,stateful", "--max-examples", "1", "--seed", "1")


def test_whatever_is_sent_the_answers_are_as_documented() -> None:
    assert main([*SHORT, "--no-shrink"]) == 0
