from collections.abc import Sequence
from typing import Final

from rich.console import Console

SHOWN: Final = 20


def verdict(console: Console, mistakes: Sequence[str]) -> int:
    """Print what should not have been; 0: nothing; 1: something."""
    for mistake in mistakes[:SHOWN]:
        console.print(mistake, style="red", soft_wrap=True, markup=False)
    if mistakes:
        console.print(f"{len(mistakes)} things that may not be", style="bold red")
        return 1
    console.print("Everything holds", style="bold green")
    return 0
