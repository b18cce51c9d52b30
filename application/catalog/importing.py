from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from application.catalog.drafts import Draft, free_slug, suggested_slugs
from application.catalog.exchange import CategoryPath, ProductRow, ProductValues, RefusedRow
from application.catalog.loading import (
    AT_ONCE,
    Outcome,
    Tell,
    ahead,
    batches,
    load_in_batches,
    nobody,
)
from application.catalog.ports import CatalogWork
from application.catalog.shelves import Shelves
from application.identity.actor import Actor
from application.shared.clock import Clock
from domain.catalog.category import CategoryId
from domain.catalog.product import Product, ProductChanges, ProductSlugTaken, Sku
from domain.catalog.stock import Because, Cause
from domain.catalog.tag import TAG_NAME_LENGTH, Tag
from domain.identity.user import Permission
from domain.shared.text import Slug

Row = ProductRow | RefusedRow


@dataclass(frozen=True, slots=True)
class Importing:
    """
    Taking over a catalog. What is imported twice changes nothing the second time.

    A product is known by its sku. Categories and tags that a row names and that are not there are
    made.
    """

    begin: Callable[[], CatalogWork]
    clock: Clock

    async def load(
        self,
        actor: Actor,
        rows: Iterable[Row],
        *,
        skip: bool,
        tell: Tell = nobody,
    ) -> Outcome:
        """
        Create or change the product of each row.

        With `skip` the good rows are kept, a batch at a time, and `tell` hears of the others;
        without it the first row that is refused is raised as RowRefused and nothing is kept.
        """
        actor.require(Permission.MANAGE_CATALOG)
        outcome = Outcome()
        run = _Run(Because(Cause.IMPORT, actor.id), self.clock, outcome)
        await load_in_batches(self.begin, rows, run.load, outcome, skip=skip, tell=tell)
        return outcome


@dataclass(frozen=True, slots=True)
class _Run:
    because: Because
    clock: Clock
    outcome: Outcome
    shelves: Shelves = field(default_factory=Shelves)

    async def load(self, work: CatalogWork, batch: Sequence[Row], refuse: Tell) -> None:
        good = [row for row in batch if isinstance(row, ProductRow)]
        locked = await work.products.lock_all([], [row.sku for row in good])
        on_file = {product.sku: product for product in locked}
        await self._make_tags(work, good)
        taken = await _taken(work, good, on_file)
        drafts: list[Draft] = []
        for row in batch:
            if isinstance(row, RefusedRow):
                refuse(row)
            elif _wants_what_is_taken(row, on_file, taken):
                refuse(RefusedRow(row.number, ProductSlugTaken()))
            elif row.sku in on_file:
                await self._change(work, on_file[row.sku], row.values, taken)
            else:
                drafts.append(await self._draft(work, row, taken))
        made = (draft.product(taken, self.because, at=self.clock()) for draft in drafts)
        async with aclosing(ahead(batches(made, AT_ONCE))) as parts:
            async for products in parts:
                await work.products.add_many(products)
        await work.flush()
        self.outcome.created += len(drafts)

    async def _draft(self, work: CatalogWork, row: ProductRow, taken: set[Slug]) -> Draft:
        values: dict[str, Any] = {**row.values}
        category_id = await self._shelf(work, values.pop("category", ()))
        if "slug" not in values:
            values["slug"] = free_slug(row.values["name"], row.sku, taken, at=self.clock())
        taken.add(values["slug"])
        return Draft(sku=row.sku, category_id=category_id, **values)

    async def _change(
        self, work: CatalogWork, product: Product, values: ProductValues, taken: set[Slug]
    ) -> None:
        changes: dict[str, Any] = {**values}
        if "category" in values:
            changes["category_id"] = await self._shelf(work, values["category"])
            del changes["category"]
        stock = changes.pop("stock", product.stock)
        before, at, slug = product.sequence, self.clock(), product.slug
        product.revise(cast(ProductChanges, changes), at=at)
        product.count(stock, self.because, at=at)
        if product.sequence == before:
            self.outcome.unchanged += 1
        else:
            self.outcome.updated += 1
        if product.slug != slug:
            # At once, so that a later row may have what this one has given up.
            await work.flush()
            taken.add(product.slug)
            taken.discard(slug)

    async def _shelf(self, work: CatalogWork, path: CategoryPath) -> CategoryId | None:
        return await self.shelves.place(work, path, at=self.clock()) if path else None

    async def _make_tags(self, work: CatalogWork, rows: Sequence[ProductRow]) -> None:
        wanted = {tag for row in rows for tag in row.values.get("tags", ())}
        for slug in sorted(wanted - await work.tags.known(wanted) if wanted else ()):
            work.tags.add(Tag.create(name=slug[:TAG_NAME_LENGTH], slug=slug, at=self.clock()))


def _wants_what_is_taken(row: ProductRow, on_file: Mapping[Sku, Product], taken: Set[Slug]) -> bool:
    wanted = row.values.get("slug")
    has_it = row.sku in on_file and on_file[row.sku].slug == wanted
    return wanted in taken and not has_it


async def _taken(
    work: CatalogWork, rows: Sequence[ProductRow], on_file: Mapping[Sku, Product]
) -> set[Slug]:
    """Of the slugs that the rows may want, those that a product has."""
    wanted: set[Slug] = set()
    for row in rows:
        if "slug" in row.values:
            wanted.add(row.values["slug"])
        elif row.sku not in on_file:
            wanted |= {*suggested_slugs(row.values["name"], row.sku)}
    return await work.products.taken(wanted) if wanted else set()
