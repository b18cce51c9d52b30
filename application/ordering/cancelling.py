from datetime import datetime
from typing import Final

from application.ordering.credit import credit_of
from application.ordering.ports import OrderingWork
from domain.catalog.product import ProductId
from domain.ordering.order import Order, OrderId
from domain.ordering.payment import PaymentMethod
from domain.ordering.refund import Refund
from domain.shared.author import Author

_WITHOUT_REASON: Final = "the order was cancelled"


async def cancel(
    work: OrderingWork, order: Order, reason: str | None, *, by: Author, at: datetime
) -> Refund | None:
    """
    Put the items back into stock and the store credit, if any, into the account.

    What came from outside is due back from then on. Returns the refund of the store credit.
    """
    products = await work.products.lock_all(line.product_id for line in order.lines)
    payments = await work.payments.of_order(OrderId(order.id))
    paid = [payment for payment in payments if payment.refundable.minor]
    by_credit = [payment for payment in paid if payment.method is PaymentMethod.STORE_CREDIT]
    credit = await credit_of(work, order) if by_credit else None
    order.cancel({ProductId(product.id): product for product in products}, reason, by=by, at=at)
    refund = None
    if credit:
        refund = Refund.of(order, by_credit, None, reason or _WITHOUT_REASON, by=by, at=at)
        credit.give_back(refund, by=by, at=at)
        work.refunds.add(refund)
    for payment in paid:
        if payment.method is PaymentMethod.EXTERNAL:
            payment.owe(order, by=by, at=at)
    return refund
