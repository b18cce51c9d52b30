from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, cast

from application.catalog.drafts import free_slug, suggested_slugs
from application.catalog.exchange import CategoryPath, ProductRow, ProductValues, RefusedRow
from application.catalog.loading import Outcome, Tell, load_in_batches, nobody
from application.catalog.ports import CatalogWork
from application.catalog.shelves import Shelves
from application.identity.actor import Actor
from application.shared.clock import Clock
from domain.catalog.category import CategoryId
from domain.catalog.product import NewProduct, Product, ProductChanges, ProductSlugTaken, Sku
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
        suggested = {
            row.sku: suggested_slugs(row.values["name"], row.sku)
            for row in good
            if "slug" not in row.values and row.sku not in on_file
        }
        taken = await _taken(work, good, suggested.values())
        paths = (row.values.get("category") for row in good)
        await self.shelves.look_up(work, (path for path in paths if path))
        new: list[Callable[[], NewProduct]] = []
        for row in batch:
            if isinstance(row, RefusedRow):
                refuse(row)
            elif _wants_what_is_taken(row, on_file, taken):
                refuse(RefusedRow(row.number, ProductSlugTaken()))
            elif row.sku in on_file:
                await self._change(work, on_file[row.sku], row.values, taken)
            else:
                at, slugs = self.clock(), suggested.get(row.sku)
                slug = free_slug(slugs, taken, at=at) if slugs else row.values["slug"]
                taken.add(slug)
                category_id = await self._shelf(work, row.values.get("category", ()))
                new.append(partial(self._new, row, slug, category_id, at))
        await work.products.add_many(make() for make in new)
        await work.flush()
        self.outcome.created += len(new)

    def _new(
        self, row: ProductRow, slug: Slug, category_id: CategoryId | None, at: datetime
    ) -> NewProduct:
        values: dict[str, Any] = {**row.values, "slug": slug, "category_id": category_id}
        values.pop("category", None)
        return NewProduct.of(sku=row.sku, because=self.because, at=at, **values)

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
    work: CatalogWork, rows: Sequence[ProductRow], suggested: Iterable[Sequence[Slug]]
) -> set[Slug]:
    """Of the slugs that the rows want or might get, those that a product has."""
    wanted = {row.values["slug"] for row in rows if "slug" in row.values}
    wanted.update(*suggested)
    return await work.products.taken(wanted) if wanted else set()
