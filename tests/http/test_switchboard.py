"""Whatever fits is connected at once; only what does not fit is shown to the framework."""

from typing import Any, Final

import pytest

from interfaces.http.routing import StrictRoute
from tests.http.api import Api, basket, content, in_memory, problem

# They take a form or a file, or leave it to the framework to make JSON of what they return.
BY_THE_FRAMEWORK: Final = {
    *("index", "live", "ready", "health"),
    *("issue_token", "revoke_token", "list_own_sessions"),
    *("create_users", "deactivate_idle_users", "delete_inactive_users"),
    *("import_products", "export_products", "create_products", "update_products"),
    *("report_orders", "report_top_customers", "report_categories"),
    *("report_revenue", "report_users"),
}


@in_memory
async def test_all_but_a_few_operations_are_planned(api: Api) -> None:
    routes = [route for route in api.app.router.routes if isinstance(route, StrictRoute)]
    assert {route.name for route in routes if route.plan is None} == BY_THE_FRAMEWORK


@in_memory
async def test_one_without_a_plan_is_not_taken_for_another(api: Api) -> None:
    # By its form alone this path is also that of a product.
    exported = await api.staff.get("/v1/products/export?format=csv")
    assert exported.status_code == 200


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which the framework was asked to find the parameters."""
    paths = []
    solve = StrictRoute.answer_quickly

    async def told(route: StrictRoute, request: Any) -> Any:
        paths.append(request.url.path)
        answer = await solve(route, request)
        paths.pop()
        return answer

    monkeypatch.setattr(StrictRoute, "answer_quickly", told)
    return paths


@in_memory
async def test_what_fits_never_sees_the_framework(api: Api, asked: list[str]) -> None:
    product = await api.product(stock=5)
    placed = content(await api.customer.post("/v1/orders", basket((product, 2))), 201)
    shown = content(await api.nobody.get(f"/v1/products/{product['id']}"), 200)
    listed = content(
        await api.customer.get(f"/v1/orders?status=pending&product_id={product['id']}"), 200
    )
    assert (shown["stock"], [order["id"] for order in listed["items"]]) == (3, [placed["id"]])
    assert asked == []


@in_memory
@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/products?limit=0", None, "query limit"),
        ("/v1/orders?status=lost", None, "query status"),
        ("/v1/orders", {"items": []}, "/items"),
    ],
)
async def test_what_does_not_fit_is_explained_by_the_framework(
    api: Api, asked: list[str], path: str, body: Any, place: str
) -> None:
    sent = api.customer.get(path) if body is None else api.customer.post(path, body)
    problem(await sent, 422, "validation-error", place)
    assert asked == [path.partition("?")[0]]


@in_memory
async def test_a_path_leads_to_the_operation_that_names_it(api: Api) -> None:
    product = await api.product(sku="tree")
    by_sku = content(await api.nobody.get("/v1/products/by-sku/tree"), 200)
    assert by_sku["id"] == product["id"]
    content(await api.nobody.get("/v1/categories/tree"), 200)
    for path in ("/v1//products", "/v1/products/", "/v1/products/by-sku/tree/", "/v2/products"):
        problem(await api.nobody.get(path), 404, "not-found")
