from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from application.catalog.exchange import CategoryRow, RefusedRow
from application.catalog.loading import Outcome, Tell, load_in_batches, nobody
from application.catalog.ports import CatalogWork
from application.catalog.shelves import Shelves
from application.identity.actor import Actor
from application.shared.clock import Clock
from domain.catalog.category import CategoryChanges, CategoryId, CategorySlugTaken
from domain.identity.user import Permission

Row = CategoryRow | RefusedRow


@dataclass(frozen=True, slots=True)
class ImportingCategories:
    """
    Taking over a tree of categories, each known by its path.

    A parent that is missing is made. What is imported twice changes nothing the second time.
    """

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def load(
        self, actor: Actor, rows: Iterable[Row], *, skip: bool, tell: Tell = nobody
    ) -> Outcome:
        """As with products; `created` counts the parents that were made as well."""
        actor.require(Permission.MANAGE_CATALOG)
        outcome = Outcome()
        run = _Run(self.clock, outcome)
        await load_in_batches(self.begin, rows, run.load, outcome, skip=skip, tell=tell)
        return outcome


@dataclass(frozen=True, slots=True)
class _Run:
    clock: Clock
    outcome: Outcome
    shelves: Shelves = field(default_factory=Shelves)

    async def load(self, work: CatalogWork, batch: Sequence[Row], refuse: Tell) -> None:
        for row in batch:
            if isinstance(row, RefusedRow):
                refuse(row)
            elif await self._wants_what_is_taken(work, row):
                refuse(RefusedRow(row.number, CategorySlugTaken()))
            else:
                await self._place(work, row)
        await work.flush()

    async def _place(self, work: CatalogWork, row: CategoryRow) -> None:
        known = await self.shelves.find(work, row.path)
        if known is not None:
            await self._revise(work, known, row)
            return
        before = len(self.shelves)
        await self.shelves.place(
            work, row.path, slug=row.slug, description=row.description or "", at=self.clock()
        )
        self.outcome.created += len(self.shelves) - before

    async def _revise(self, work: CatalogWork, id: CategoryId, row: CategoryRow) -> None:
        changes: CategoryChanges = {}
        if row.description is not None:
            changes["description"] = row.description
        if row.slug is not None:
            changes["slug"] = row.slug
        if not changes:
            self.outcome.unchanged += 1
            return
        category = await work.categories.get(id, lock=True)
        before = category.sequence
        category.revise(changes, at=self.clock())
        if category.sequence == before:
            self.outcome.unchanged += 1
        else:
            self.outcome.updated += 1

    async def _wants_what_is_taken(self, work: CatalogWork, row: CategoryRow) -> bool:
        if row.slug is None:
            return False
        known = await self.shelves.find(work, row.path)
        if known is not None and (await work.categories.get(known)).slug == row.slug:
            return False
        return bool(await work.categories.taken([row.slug]))
