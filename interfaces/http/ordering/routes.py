from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from application.ordering.checkout import Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.history import History
from application.ordering.paying import Paying
from application.ordering.ports import PlacingWork
from application.ordering.queries import OrderDetails, OrderFilter
from application.ordering.receipts import PaymentDetails
from application.ordering.refunding import Refunding
from domain.catalog.product import ProductId
from domain.identity.user import UserId
from domain.ordering.order import NUMBER_LENGTH, OrderId, OrderNumber
from domain.ordering.payment import PaymentId, PaymentMethod
from domain.ordering.status import OrderStatus
from interfaces.container import Container
from interfaces.http.answers import resource
from interfaces.http.dependencies import (
    CurrentActor,
    ExpectedVersions,
    KnownVersion,
    reading,
    use_case,
)
from interfaces.http.openapi import problems
from interfaces.http.ordering.money import (
    HappeningOut,
    PaymentOut,
    PayOrder,
    RefundOrder,
    RefundOut,
)
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
PayingService = Annotated[Paying, use_case(lambda shop: shop.paying)]
RefundingService = Annotated[Refunding, use_case(lambda shop: shop.refunding)]
HistoryService = Annotated[History, reading(lambda shop: shop.history)]

OrderPaging = Annotated[Paging, paging("placed_at", "total", usual="-placed_at")]

TimelinePaging = Annotated[Paging, paging("at", usual="at")]
PaymentPaging = Annotated[Paging, paging("created_at", usual="created_at")]

OrderList = ListOf[OrderRow]
Timeline = ListOf[HappeningOut]
PaymentList = ListOf[PaymentOut]

orders = router("/v1/orders", "orders", RehearsableRoute)


class SharingRoute(RehearsableRoute):
    """Requests with a key share a unit of work as those without one do."""

    def begin(self, shop: Container) -> AbstractAsyncContextManager[PlacingWork]:
        return shop.cohorts()()


checkouts = router("/v1/orders", "orders", SharingRoute)


@checkouts.post(
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
    responses=problems(
        "order-not-found",
        "invalid-transition",
        "stock-too-large",
        "balance-too-large",
        "stale-version",
    ),
)
async def move_order(
    id: Id,
    body: MoveOrder,
    actor: CurrentActor,
    fulfilment: FulfilmentService,
    expected: ExpectedVersions,
) -> Response:
    """
    Move the order on.

    Cancelling puts its items back into stock, once, and its store credit into the account; what
    was paid outside is `due_back` from then on.
    """
    order = await fulfilment.move(
        actor,
        OrderId(id),
        OrderStatus(body.to),
        reason=body.reason,
        tracking_number=body.tracking_number,
        expected=expected,
    )
    return resource(order_out(OrderDetails.of(order), actor))


@orders.get("/{id}/timeline", response_model=Timeline, responses=problems("order-not-found"))
async def list_happenings(
    id: Id, paging: TimelinePaging, actor: CurrentActor, history: HistoryService
) -> Response:
    """What happened to the order, the oldest first: who did it, why, and in which request."""
    page = await history.timeline(actor, OrderId(id), paging.asked)
    return paging.listed(Timeline, page, HappeningOut.of)


@orders.post(
    "/{id}/payments",
    status_code=HTTPStatus.CREATED,
    response_model=PaymentOut,
    responses=problems(
        "order-not-found",
        "overpayment",
        "insufficient-funds",
        "order-cancelled",
        "balance-too-large",
        "currency-mismatch",
        "invalid-value",
    ),
)
async def pay_order(id: Id, body: PayOrder, actor: CurrentActor, paying: PayingService) -> Response:
    """
    Pay what is due, or a part of it. An order that is paid in full is confirmed with it.

    Store credit is taken from the customer's account; what came from outside is for staff to enter.
    """
    payment = await paying.pay(
        actor,
        OrderId(id),
        PaymentMethod(body.method),
        body.sum(),
        reference=body.reference,
    )
    view = PaymentOut.of(PaymentDetails.of(payment))
    return resource(view, HTTPStatus.CREATED, location=f"/v1/orders/{id}/payments")


@orders.get("/{id}/payments", response_model=PaymentList, responses=problems("order-not-found"))
async def list_payments(
    id: Id, paging: PaymentPaging, actor: CurrentActor, history: HistoryService
) -> Response:
    """What was paid for the order, and what of it went back."""
    page = await history.payments(actor, OrderId(id), paging.asked)
    return paging.listed(PaymentList, page, PaymentOut.of)


@orders.post(
    "/{id}/refunds",
    status_code=HTTPStatus.CREATED,
    response_model=RefundOut,
    responses=problems(
        "order-not-found",
        "payment-not-found",
        "refund-too-large",
        "balance-too-large",
        "currency-mismatch",
        "invalid-value",
    ),
)
async def refund_order(
    id: Id, body: RefundOrder, actor: CurrentActor, refunding: RefundingService
) -> Response:
    """Give back what was paid, or a part of it: store credit here and now, the rest as sent."""
    refund = await refunding.refund(
        actor,
        OrderId(id),
        body.sum(),
        payment_id=PaymentId(body.payment_id) if body.payment_id else None,
        reason=body.reason,
    )
    view = RefundOut.of(refund)
    return resource(view, HTTPStatus.CREATED, location=f"/v1/orders/{id}/payments")
