from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from application.catalog.exchange import CategoryPath
from application.catalog.loading import BATCH, batches
from application.catalog.ports import CatalogWork
from domain.catalog.category import Category, CategoryId
from domain.shared.ids import new_id
from domain.shared.text import Slug, numbered, slug_of


@dataclass(frozen=True, slots=True)
class Shelves:
    """Every category by its path: those that are there, and those that are made on the way."""

    _ids: dict[CategoryPath, CategoryId] = field(default_factory=dict)
    _slugs: set[Slug] = field(default_factory=set)  # of those made on the way
    _free: set[Slug] = field(default_factory=set)  # but for those, as far as was looked up

    def __len__(self) -> int:
        return len(self._ids)

    async def find(self, work: CatalogWork, path: CategoryPath) -> CategoryId | None:
        if not self._ids:
            self._ids.update(await work.categories.paths())
        return self._ids.get(path)

    async def look_up(self, work: CatalogWork, wanted: Iterable[CategoryPath]) -> None:
        """Find out together which slugs are free for those of them that will have to be made."""
        self._free.clear()
        new = [path for path in {*wanted} if not await self.find(work, path)]
        missing = {above for path in new for above in _downwards(path)} - self._ids.keys()
        suggested = {slug for path in missing for slug in _suggested_slugs(path)}
        for some in batches(suggested, BATCH):
            self._free.update({*some} - await work.categories.taken(some))

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
        self._slugs.add(category.slug)
        self._ids[path] = id = CategoryId(category.id)
        return id

    async def _free_slug(self, work: CatalogWork, path: CategoryPath, at: datetime) -> Slug:
        """What the name suggests or, where that is taken, the name with those above it."""
        suggested = _suggested_slugs(path)
        for slug in suggested:
            if slug not in self._slugs and (
                slug in self._free or not await work.categories.taken([slug])
            ):
                return slug
        return numbered(next(iter(suggested), Slug("category")), new_id(at).hex[-8:])

    def _above(self, path: CategoryPath) -> Iterator[CategoryId]:
        return (self._ids[above] for above in reversed([*_downwards(path[:-1])]))


def _downwards(path: CategoryPath) -> Iterator[CategoryPath]:
    """The paths of those above, from the root down, and the path itself."""
    return (path[:end] for end in range(1, len(path) + 1))


def _suggested_slugs(path: CategoryPath) -> Sequence[Slug]:
    """What the name suggests, then the name with ever more of those above it; maybe nothing."""
    if not slug_of(path[-1], otherwise=""):
        return ()
    return [slug_of(" ".join(path[start:]), otherwise="") for start in range(len(path) - 1, -1, -1)]
