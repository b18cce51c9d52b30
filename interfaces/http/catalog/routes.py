from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Request, Response

from application.catalog.browsing import Browsing
from application.catalog.curation import Curation
from application.catalog.queries import ProductFilter
from application.catalog.stocking import Stocking
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId, Sku
from interfaces.http.answers import nothing, resource
from interfaces.http.bulk import BulkOut
from interfaces.http.catalog.schemas import (
    BulkCreate,
    CategoryOut,
    CreateCategory,
    CreateProduct,
    PatchCategory,
    PatchProduct,
    ProductOut,
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
from interfaces.http.schemas import Id, QueryBool

BrowsingService = Annotated[Browsing, reading(lambda shop: shop.browsing)]
CurationService = Annotated[Curation, use_case(lambda shop: shop.curation)]
StockingService = Annotated[Stocking, use_case(lambda shop: shop.stocking)]

CategoryPaging = Annotated[Paging, paging("name", "created_at", usual="name")]
ProductPaging = Annotated[
    Paging, paging("name", "price", "created_at", "updated_at", "stock", usual="-created_at")
]

CategoryList = ListOf[CategoryOut]
ProductList = ListOf[ProductOut]

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
    sku: Annotated[list[SkuText], Query(max_length=100)] = [],  # noqa: B006 (FastAPI copies it)
    is_active: Annotated[QueryBool | None, Query(description="staff: also inactive ones")] = None,
    deleted: Annotated[QueryBool, Query(description="staff: the deleted ones")] = False,
) -> Response:
    """Products on sale; staff may ask for others."""
    wanted = ProductFilter(skus=tuple(map(Sku, sku)), is_active=is_active, deleted=deleted)
    page = await browsing.list_products(actor, paging.asked, wanted)
    return paging.listed(ProductList, page, ProductOut.of)


@products.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=ProductOut,
    responses=problems("category-not-found", "duplicate"),
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
    responses=problems("category-not-found", "duplicate"),
)
async def create_products(
    body: BulkCreate, actor: CurrentActor, stocking: StockingService, request: Request
) -> BulkOut:
    """Add many products: all or none, or with `skip` every one that can be."""
    skip = body.on_error == "skip"
    return BulkOut.of(await stocking.create_all(actor, body.drafts(), skip=skip), request)


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
    responses=problems("product-not-found", "category-not-found", "duplicate", "stale-version"),
)
async def update_product(
    id: Id,
    body: PatchProduct,
    actor: CurrentActor,
    stocking: StockingService,
    expected: ExpectedVersions,
) -> Response:
    """Change what is named. The stock is adjusted, not patched."""
    revised = await stocking.revise(actor, ProductId(id), body.patch(), expected=expected)
    return resource(ProductOut.of(revised))


@products.delete(
    "/{id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems("product-not-found", "stale-version"),
)
async def delete_product(
    id: Id, actor: CurrentActor, stocking: StockingService, expected: ExpectedVersions
) -> Response:
    """Take it out of the catalog. Orders keep it; its sku and slug are free again."""
    await stocking.delete(actor, ProductId(id), expected=expected)
    return nothing()
