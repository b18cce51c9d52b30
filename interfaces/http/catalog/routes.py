from dataclasses import replace
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from application.catalog.browsing import Browsing
from application.catalog.curation import Curation
from application.catalog.inventory import Inventory
from application.catalog.queries import InCategory
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from domain.catalog.category import DEEPEST, CategoryId
from domain.catalog.product import ProductId, Sku
from domain.shared.text import Slug as SlugText
from interfaces.http.answers import nothing, resource
from interfaces.http.bulk import BulkOut
from interfaces.http.catalog.filters import (
    CategoryOnly,
    IdOrSlug,
    ProductsWanted,
    ProductsWantedAnywhere,
)
from interfaces.http.catalog.schemas import (
    BulkCreate,
    BulkPatch,
    CategoryNodeOut,
    CategoryOut,
    CategoryTree,
    ChangeStock,
    CreateCategory,
    CreateProduct,
    MovementOut,
    PatchCategory,
    PatchProduct,
    ProductOut,
    PutCategory,
    PutProduct,
    SkuText,
)
from interfaces.http.dependencies import (
    NOBODY_AS_WELL,
    CurrentActor,
    ExpectedVersions,
    KnownVersion,
    OptionalActor,
    reading,
    use_case,
)
from interfaces.http.openapi import problems
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import RehearsableRoute, router
from interfaces.http.schemas import PLAIN_INTEGER, Id, Slug, is_uuid

BrowsingService = Annotated[Browsing, reading(lambda shop: shop.browsing)]
CurationService = Annotated[Curation, use_case(lambda shop: shop.curation)]
RevisionService = Annotated[Revision, use_case(lambda shop: shop.revision)]
InventoryService = Annotated[Inventory, use_case(lambda shop: shop.inventory)]
StockingService = Annotated[Stocking, use_case(lambda shop: shop.stocking)]

CategoryPaging = Annotated[Paging, paging("name", "created_at", usual="name")]
ProductPaging = Annotated[
    Paging,
    paging(
        *("name", "price", "created_at", "updated_at", "stock"),
        usual="-created_at",
        searched="relevance",
    ),
]
MovementPaging = Annotated[Paging, paging("at", usual="-at")]

CategoryList = ListOf[CategoryOut]
ProductList = ListOf[ProductOut]
MovementList = ListOf[MovementOut]

categories = router("/v1/categories", "catalog", RehearsableRoute)
products = router("/v1/products", "catalog", RehearsableRoute)


@categories.get("", response_model=CategoryList)
async def list_categories(paging: CategoryPaging, browsing: BrowsingService) -> Response:
    """All categories, as a flat list."""
    return paging.listed(CategoryList, await browsing.list_categories(paging.asked), CategoryOut.of)


@categories.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=CategoryOut,
    responses=problems("category-not-found", "category-too-deep", "duplicate"),
)
async def create_category(
    body: CreateCategory, actor: CurrentActor, curation: CurationService
) -> Response:
    """Add a category; without a slug it gets the one that its name suggests."""
    created = await curation.create(actor, **dict(body))
    return resource(
        CategoryOut.of(created), HTTPStatus.CREATED, location=f"/v1/categories/{created.id}"
    )


@categories.get(
    "/tree",
    response_model=CategoryTree,
    responses=problems("category-not-found"),
)
async def get_category_tree(
    browsing: BrowsingService,
    root: IdOrSlug = None,
    depth: Annotated[int | None, Query(ge=1, le=DEEPEST), PLAIN_INTEGER] = None,
) -> Response:
    """The categories as a tree, siblings by name, with the number of products on sale."""
    name = UUID(root) if root and is_uuid(root) else root
    nodes = await browsing.tree(root=name, depth=depth)
    tree = CategoryTree(items=[CategoryNodeOut.of_node(node) for node in nodes])
    return Response(tree.model_dump_json(), media_type="application/json")


@categories.get(
    "/{id}/products",
    response_model=ProductList,
    responses=problems("category-not-found", "forbidden"),
    openapi_extra=NOBODY_AS_WELL,
)
async def list_products_of_category(
    id: Id,
    paging: ProductPaging,
    actor: OptionalActor,
    browsing: BrowsingService,
    wanted: ProductsWanted,
    category_only: CategoryOnly = False,
) -> Response:
    """Products on sale in this category and, unless it alone is wanted, in those below it."""
    inside = replace(wanted, category=InCategory(id=CategoryId(id), only=category_only))
    page = await browsing.list_products_in(actor, CategoryId(id), paging.asked, inside)
    return paging.listed(ProductList, page, ProductOut.of)


@categories.get(
    "/{id}",
    response_model=CategoryOut,
    responses=problems("category-not-found"),
    dependencies=[KnownVersion],
)
async def get_category(id: Id, browsing: BrowsingService) -> Response:
    return resource(CategoryOut.of(await browsing.category(CategoryId(id))))


@categories.patch(
    "/{id}",
    response_model=CategoryOut,
    responses=problems(
        "category-not-found", "category-cycle", "category-too-deep", "duplicate", "stale-version"
    ),
)
async def update_category(
    id: Id,
    body: PatchCategory,
    actor: CurrentActor,
    curation: CurationService,
    expected: ExpectedVersions,
) -> Response:
    """Change what is named, the place in the tree included."""
    revised = await curation.revise(actor, CategoryId(id), body.patch(), expected=expected)
    return resource(CategoryOut.of(revised))


@categories.put(
    "/{id}",
    response_model=CategoryOut,
    responses=problems(
        "category-not-found", "category-cycle", "category-too-deep", "duplicate", "stale-version"
    ),
)
async def replace_category(
    id: Id,
    body: PutCategory,
    actor: CurrentActor,
    curation: CurationService,
    expected: ExpectedVersions,
) -> Response:
    """Give it all new values; what is absent becomes empty, but for the slug."""
    replaced = await curation.revise(actor, CategoryId(id), body.patch(), expected=expected)
    return resource(CategoryOut.of(replaced))


@categories.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("category-not-found", "duplicate", "stale-version"),
)
async def delete_category(
    id: Id, actor: CurrentActor, curation: CurationService, expected: ExpectedVersions
) -> Response:
    """Remove it: its children go up to its parent, its products into no category."""
    await curation.delete(actor, CategoryId(id), expected=expected)
    return nothing()


@products.get(
    "",
    response_model=ProductList,
    responses=problems("forbidden"),
    openapi_extra=NOBODY_AS_WELL,
)
async def list_products(
    paging: ProductPaging,
    actor: OptionalActor,
    browsing: BrowsingService,
    wanted: ProductsWantedAnywhere,
) -> Response:
    """Products on sale; staff may ask for others."""
    page = await browsing.list_products(actor, paging.asked, wanted)
    return paging.listed(ProductList, page, ProductOut.of)


@products.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=ProductOut,
    responses=problems("category-not-found", "tag-not-found", "duplicate", "in-use"),
)
async def create_product(
    body: CreateProduct, actor: CurrentActor, stocking: StockingService
) -> Response:
    """Add a product; without a slug it gets the one that its name suggests."""
    created = await stocking.create(actor, body.draft())
    return resource(
        ProductOut.of(created), HTTPStatus.CREATED, location=f"/v1/products/{created.id}"
    )


@products.post(
    "/bulk",
    response_model=BulkOut,
    responses=problems("category-not-found", "tag-not-found", "duplicate", "in-use"),
)
async def create_products(
    body: BulkCreate, actor: CurrentActor, stocking: StockingService, request: Request
) -> BulkOut:
    """Add many products: all or none, or with `skip` every one that can be."""
    skip = body.on_error == "skip"
    return BulkOut.of(await stocking.create_all(actor, body.drafts(), skip=skip), request)


@products.patch(
    "/bulk",
    response_model=BulkOut,
    responses=problems(
        *("product-not-found", "category-not-found", "tag-not-found"), *("duplicate", "in-use")
    ),
)
async def update_products(
    body: BulkPatch, actor: CurrentActor, revision: RevisionService, request: Request
) -> BulkOut:
    """Change many products: all or none, or with `skip` every one that can be."""
    results = await revision.revise_all(actor, body.patches(), skip=body.on_error == "skip")
    return BulkOut.of(results, request, done="updated")


@products.get(
    "/by-sku/{sku}",
    response_model=ProductOut,
    responses=problems("product-not-found"),
    dependencies=[KnownVersion],
    openapi_extra=NOBODY_AS_WELL,
)
async def get_product_by_sku(
    sku: SkuText, actor: OptionalActor, browsing: BrowsingService
) -> Response:
    return resource(ProductOut.of(await browsing.product_by_sku(actor, Sku(sku))))


@products.get(
    "/by-slug/{slug}",
    response_model=ProductOut,
    responses=problems("product-not-found"),
    dependencies=[KnownVersion],
    openapi_extra=NOBODY_AS_WELL,
)
async def get_product_by_slug(
    slug: Slug, actor: OptionalActor, browsing: BrowsingService
) -> Response:
    return resource(ProductOut.of(await browsing.product_by_slug(actor, SlugText(slug))))


@products.get(
    "/{id}",
    response_model=ProductOut,
    responses=problems("product-not-found"),
    dependencies=[KnownVersion],
    openapi_extra=NOBODY_AS_WELL,
)
async def get_product(id: Id, actor: OptionalActor, browsing: BrowsingService) -> Response:
    return resource(ProductOut.of(await browsing.product(actor, ProductId(id))))


@products.patch(
    "/{id}",
    response_model=ProductOut,
    responses=problems(
        *("product-not-found", "category-not-found", "tag-not-found"),
        *("duplicate", "in-use", "stale-version"),
    ),
)
async def update_product(
    id: Id,
    body: PatchProduct,
    actor: CurrentActor,
    revision: RevisionService,
    expected: ExpectedVersions,
) -> Response:
    """Change what is named. The stock is adjusted, not patched."""
    revised = await revision.revise(actor, ProductId(id), body.patch(), expected=expected)
    return resource(ProductOut.of(revised))


@products.put(
    "/{id}",
    response_model=ProductOut,
    responses=problems(
        *("product-not-found", "category-not-found", "tag-not-found"),
        *("duplicate", "in-use", "stale-version"),
    ),
)
async def replace_product(
    id: Id,
    body: PutProduct,
    actor: CurrentActor,
    revision: RevisionService,
    expected: ExpectedVersions,
) -> Response:
    """Give it all new values but the stock; what is absent becomes empty, but for the slug."""
    replaced = await revision.replace(actor, ProductId(id), body.draft(), expected=expected)
    return resource(ProductOut.of(replaced))


@products.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("product-not-found", "stale-version"),
)
async def delete_product(
    id: Id, actor: CurrentActor, revision: RevisionService, expected: ExpectedVersions
) -> Response:
    """Take it out of the catalog. Orders keep it; its sku and slug are free again."""
    await revision.delete(actor, ProductId(id), expected=expected)
    return nothing()


@products.post(
    "/{id}/restore",
    response_model=ProductOut,
    responses=problems("product-not-found", "duplicate", "stale-version"),
)
async def restore_product(
    id: Id, actor: CurrentActor, revision: RevisionService, expected: ExpectedVersions
) -> Response:
    """Bring back what was deleted, unless something else has its sku or slug by now."""
    return resource(ProductOut.of(await revision.restore(actor, ProductId(id), expected=expected)))


@products.post(
    "/{id}/stock",
    response_model=ProductOut,
    responses=problems(
        "product-not-found",
        *("insufficient-stock", "stock-changed", "stock-too-large", "stale-version"),
    ),
)
async def change_stock(
    id: Id,
    body: ChangeStock,
    actor: CurrentActor,
    inventory: InventoryService,
    expected: ExpectedVersions,
) -> Response:
    """Adjust the stock by a number, or set it to what was counted."""
    if body.change is not None:
        changed = await inventory.adjust(
            actor, ProductId(id), body.change, reason=body.reason, expected=expected
        )
    else:
        changed = await inventory.count(
            actor,
            ProductId(id),
            body.counted or 0,
            before=body.expected,
            reason=body.reason,
            expected=expected,
        )
    return resource(ProductOut.of(changed))


@products.get(
    "/{id}/stock-movements",
    response_model=MovementList,
    responses=problems("product-not-found", "forbidden"),
)
async def list_stock_movements(
    id: Id, paging: MovementPaging, actor: CurrentActor, browsing: BrowsingService
) -> Response:
    """Every change of its stock, with its cause; they add up to what there is."""
    page = await browsing.list_movements(actor, ProductId(id), paging.asked)
    return paging.listed(MovementList, page, MovementOut.of)
