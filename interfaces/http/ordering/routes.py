from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from application.ordering.checkout import Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.history import History
from application.ordering.queries import OrderDetails, OrderFilter
from domain.catalog.product import ProductId
from domain.identity.user import UserId
from domain.ordering.order import NUMBER_LENGTH, OrderId, OrderNumber
from domain.ordering.status import OrderStatus
from interfaces.http.answers import resource
from interfaces.http.dependencies import (
    CurrentActor,
    ExpectedVersions,
    KnownVersion,
    reading,
    use_case,
)
from interfaces.http.openapi import problems
from interfaces.http.ordering.schemas import (
    MoveOrder,
    OrderOut,
    OrderRow,
    PlaceOrder,
    StatusText,
    order_out,
    order_row,
)
from interfaces.http.pages import ListOf, Paging, paging
from interfaces.http.routing import RehearsableRoute, router
from interfaces.http.schemas import Id, Moment

CheckoutService = Annotated[Checkout, use_case(lambda shop: shop.checkout)]
FulfilmentService = Annotated[Fulfilment, use_case(lambda shop: shop.fulfilment)]
HistoryService = Annotated[History, reading(lambda shop: shop.history)]

OrderPaging = Annotated[Paging, paging("placed_at", "total", usual="-placed_at")]

OrderList = ListOf[OrderRow]

orders = router("/v1/orders", "orders", RehearsableRoute)


@orders.post(
    "",
    status_code=HTTPStatus.CREATED,
    response_model=OrderOut,
    responses=problems(
        "product-not-found",
        "user-not-found",
        "insufficient-stock",
        "product-unavailable",
        "price-changed",
        "currency-mismatch",
        "order-too-large",
    ),
)
async def place_order(body: PlaceOrder, actor: CurrentActor, checkout: CheckoutService) -> Response:
    """Take everything in the basket from stock and make it a pending order, or nothing."""
    order = await checkout.place(actor, body.basket(), **body.terms())
    view = order_out(OrderDetails.of(order), actor)
    return resource(view, HTTPStatus.CREATED, location=f"/v1/orders/{order.id}")


@orders.get("", response_model=OrderList)
async def list_orders(
    paging: OrderPaging,
    actor: CurrentActor,
    history: HistoryService,
    customer_id: Id | None = None,
    status: Annotated[list[StatusText], Query(description="any of them")] = [],  # noqa: B006
    placed_from: Annotated[Moment | None, Query(alias="from", description="placed then")] = None,
    placed_before: Annotated[
        Moment | None, Query(alias="to", description="placed before then")
    ] = None,
    number: Annotated[str | None, Query(max_length=NUMBER_LENGTH)] = None,
    product_id: Id | None = None,
) -> Response:
    """One's own orders; for staff all of them."""
    wanted = OrderFilter(
        customer_id=UserId(customer_id) if customer_id else None,
        statuses=tuple(map(OrderStatus, status)),
        number=OrderNumber(number) if number is not None else None,
        product_id=ProductId(product_id) if product_id else None,
        placed_from=placed_from,
        placed_before=placed_before,
    )
    page = await history.list(actor, paging.asked, wanted)
    return paging.listed(OrderList, page, lambda order: order_row(order, actor))


@orders.get(
    "/by-number/{number}",
    response_model=OrderOut,
    responses=problems("order-not-found"),
    dependencies=[KnownVersion],
)
async def get_order_by_number(
    number: Annotated[str, Path(max_length=NUMBER_LENGTH)],
    actor: CurrentActor,
    history: HistoryService,
) -> Response:
    return resource(order_out(await history.order_by_number(actor, OrderNumber(number)), actor))


@orders.get(
    "/{id}",
    response_model=OrderOut,
    responses=problems("order-not-found"),
    dependencies=[KnownVersion],
)
async def get_order(id: Id, actor: CurrentActor, history: HistoryService) -> Response:
    return resource(order_out(await history.order(actor, OrderId(id)), actor))


@orders.post(
    "/{id}/transitions",
    response_model=OrderOut,
    responses=problems("order-not-found", "invalid-transition", "stock-too-large", "stale-version"),
)
async def move_order(
    id: Id,
    body: MoveOrder,
    actor: CurrentActor,
    fulfilment: FulfilmentService,
    expected: ExpectedVersions,
) -> Response:
    """Move the order on. Cancelling puts its items back into stock, once."""
    order = await fulfilment.move(
        actor,
        OrderId(id),
        OrderStatus(body.to),
        reason=body.reason,
        tracking_number=body.tracking_number,
        expected=expected,
    )
    return resource(order_out(OrderDetails.of(order), actor))
