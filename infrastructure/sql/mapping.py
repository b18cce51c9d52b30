from typing import Final

from infrastructure.sql import idempotency, outbox
from infrastructure.sql.accounts import mapping as accounts
from infrastructure.sql.catalog import mapping as catalog
from infrastructure.sql.catalog.search import product_search
from infrastructure.sql.content import indexing  # noqa: F401 (it listens)
from infrastructure.sql.content import mapping as content
from infrastructure.sql.content.search import post_search
from infrastructure.sql.identity import mapping as identity
from infrastructure.sql.notifications import mapping as notifications
from infrastructure.sql.ordering import mapping as ordering
from infrastructure.sql.schema import mappers

# Every table there is; `metadata` is complete once this module is imported.
TABLES: Final = (
    identity.users,
    identity.sessions,
    identity.sign_in_attempts,
    catalog.categories,
    catalog.products,
    catalog.tags,
    catalog.product_tags,
    catalog.stock_movements,
    product_search,
    content.posts,
    content.post_tags,
    post_search,
    accounts.accounts,
    accounts.transfers,
    accounts.entries,
    ordering.orders,
    ordering.order_lines,
    ordering.payments,
    ordering.refunds,
    ordering.refund_parts,
    notifications.notifications,
    outbox.outbox,
    idempotency.idempotency_keys,
)


def map_domain() -> None:
    """Teach SQLAlchemy every class of the domain, once per process."""
    if any(True for _ in mappers.mappers):
        return
    identity.map_identity()
    catalog.map_catalog()
    content.map_content()
    accounts.map_accounts()
    ordering.map_ordering()
    notifications.map_notifications()
    mappers.configure()
