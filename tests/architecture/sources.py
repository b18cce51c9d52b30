import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Source:
    """One file of this project."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def load(self) -> ModuleType:
        return importlib.import_module(".".join(self.path.relative_to(ROOT).with_suffix("").parts))


def sources(*places: str) -> Iterator[Source]:
    for place in places:
        found = [Source(path) for path in sorted((ROOT / place).rglob("*.py"))]
        assert found, f"{place} has no source"
        yield from found
