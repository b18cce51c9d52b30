from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from application.catalog.exchange import CategoryPath
from application.catalog.ports import CatalogWork
from domain.catalog.category import Category, CategoryId
from domain.shared.ids import new_id
from domain.shared.text import Slug, numbered, slug_of


@dataclass(frozen=True, slots=True)
class Shelves:
    """Every category by its path: those that are there, and those that are made on the way."""

    _ids: dict[CategoryPath, CategoryId] = field(default_factory=dict)
    slugs: set[Slug] = field(default_factory=set)  # of those made on the way

    def __len__(self) -> int:
        return len(self._ids)

    async def find(self, work: CatalogWork, path: CategoryPath) -> CategoryId | None:
        if not self._ids:
            self._ids.update(await work.categories.paths())
        return self._ids.get(path)

    async def place(
        self,
        work: CatalogWork,
        path: CategoryPath,
        *,
        slug: Slug | None = None,
        description: str = "",
        at: datetime,
    ) -> CategoryId:
        """The category of this path; what is missing of the path is made."""
        if known := await self.find(work, path):
            return known
        if path[:-1]:
            await self.place(work, path[:-1], at=at)
        category = Category.create(
            name=path[-1],
            slug=slug or await self._free_slug(work, path, at),
            description=description,
            above=[*self._above(path)],
            at=at,
        )
        work.categories.add(category)
        self.slugs.add(category.slug)
        self._ids[path] = id = CategoryId(category.id)
        return id

    async def _free_slug(self, work: CatalogWork, path: CategoryPath, at: datetime) -> Slug:
        """What the name suggests or, where that is taken, the name with those above it."""
        tail = new_id(at).hex[-8:]
        suggested = [
            slug_of(" ".join(path[start:]), otherwise=f"category-{tail}")
            for start in range(len(path) - 1, -1, -1)
        ]
        suggested.append(numbered(suggested[0], tail))
        taken = self.slugs | await work.categories.taken(suggested)
        return next(slug for slug in suggested if slug not in taken)

    def _above(self, path: CategoryPath) -> Iterator[CategoryId]:
        for end in range(len(path) - 1, 0, -1):
            yield self._ids[path[:end]]
