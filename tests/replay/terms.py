"""What the file does not say and the replay lays down: how an order is paid for and sent."""

from decimal import ROUND_DOWN, Decimal
from typing import Final

LINES_OF_AN_ORDER: Final = 500  # as many as the service takes
PENNY: Final = Decimal("0.01")
GUEST: Final = ""  # the customer of a line that names none


def pays_by_credit(customer: str) -> bool:
    """Whose number can be divided by three has store credit."""
    return customer != GUEST and int(customer) % 3 == 0


def credit_in(total: Decimal, customer: str) -> Decimal:
    """What of the total is paid by store credit, before the rest: half of it, in whole pennies."""
    if not pays_by_credit(customer):
        return Decimal()
    return (total / 2).quantize(PENNY, ROUND_DOWN)


def is_paid_before_undone(invoice: str) -> bool:
    """Of the sales that are undone as a whole, all but those with numbers divisible by three."""
    return int(invoice) % 3 != 0


def tracking_number(invoice: str, part: int) -> str:
    return f"RM{invoice}-{part}"
