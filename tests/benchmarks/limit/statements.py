"""The fewest statements that read and write what the shop reads and writes."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

_PRODUCTS: Final = """
SELECT p.id, p.sku, p.slug, p.name, p.description, p.price_minor, p.price_currency, p.stock,
       p.is_active, p.category_id, c.name AS category_name, c.slug AS category_slug, p.tags,
       p.metadata, p.created_at, p.updated_at, p.deleted_at, p.version
"""
PRODUCT: Final = f"""{_PRODUCTS}
FROM products p LEFT JOIN categories c ON c.id = p.category_id
WHERE p.id = $1 AND p.deleted_at IS NULL
"""
PRODUCTS_IN: Final = f"""{_PRODUCTS}
FROM products p JOIN categories c ON c.id = p.category_id
WHERE p.category_id = (SELECT id FROM categories WHERE slug = $1)
  AND p.is_active AND p.deleted_at IS NULL
ORDER BY p.created_at DESC, p.id DESC LIMIT $2
"""
PRODUCTS_WITH: Final = f"""{_PRODUCTS}
FROM product_search s JOIN products p ON p.id = s.product_id
     LEFT JOIN categories c ON c.id = p.category_id
WHERE s.words @@ $1::text::tsquery AND p.is_active AND p.deleted_at IS NULL
ORDER BY p.id LIMIT $2
"""
ORDER: Final = """
SELECT o.id, o.number, o.status, o.customer_id, o.total_minor, o.paid_minor, o.refunded_minor,
       o.currency, o.shipping_address, o.note, o.tracking_number, o.placed_at, o.updated_at,
       o.version, l.id AS line_id, l.product_id, l.sku, l.name, l.unit_price_minor, l.quantity
FROM orders o JOIN order_lines l ON l.order_id = o.id
WHERE o.id = $1 AND o.customer_id = $2
ORDER BY l.position
"""

_ORDER_COLUMNS: Final = "id, version, sequence, number, customer_id, status, total_minor, currency"
_LINE_COLUMNS: Final = (
    "id, order_id, position, product_id, sku, name, unit_price_minor, currency, quantity"
)
_MOVEMENT_COLUMNS: Final = "id, product_id, change, stock_after, cause, actor_id, order_id, at"
_OUTBOX_COLUMNS: Final = "id, type, aggregate_id, sequence, payload, at"
_KEY_COLUMNS: Final = (
    "caller_id, method, path, key, expires_at, request_hash, status, headers, body"
)
_KEPT_HEADERS: Final = """'[["content-type", "application/json"]]'"""
_NOTIFICATION_COLUMNS: Final = "id, version, sequence, user_id, order_id, message, created_at"


def one_order(*, with_notification: bool) -> str:
    """
    An order in one statement: locks, checks and writes; it gives the lines, or none if refused.

    $1 skus, $2 quantities, $3 id, $4 number, $5 customer, $6 now, $7 key, $8 its end, $9 hash,
    $10 answer.
    """
    notified = f""",
notified AS (
    INSERT INTO notifications ({_NOTIFICATION_COLUMNS})
    SELECT gen_random_uuid(), 1, 0, $5, $3, 'Order ' || $4 || ' was placed.', $6
    FROM sum WHERE is_there
)"""
    return f"""
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS w (sku, quantity, position)
),
locked AS (
    SELECT p.id, p.sku, p.name, p.price_minor, p.price_currency, p.stock, w.quantity, w.position
    FROM products p JOIN wanted w ON w.sku = p.sku
    WHERE p.deleted_at IS NULL AND p.is_active
    ORDER BY p.id FOR NO KEY UPDATE OF p
),
sum AS (
    SELECT count(*) = cardinality($1::text[]) AND bool_and(stock >= quantity) AS is_there,
           sum(price_minor * quantity) AS total, min(price_currency) AS currency
    FROM locked
),
placed AS (
    INSERT INTO orders ({_ORDER_COLUMNS}, placed_at, updated_at)
    SELECT $3::uuid, 1, 1, $4::text, $5::uuid, 'pending', total, currency,
           $6::timestamptz, $6 FROM sum WHERE is_there
),
lines AS (
    INSERT INTO order_lines ({_LINE_COLUMNS})
    SELECT gen_random_uuid(), $3, position, id, sku, name, price_minor, price_currency, quantity
    FROM locked, sum WHERE is_there
),
told AS (
    INSERT INTO outbox ({_OUTBOX_COLUMNS})
    SELECT gen_random_uuid(), 'order.placed', $3, 1,
           jsonb_build_object('order_id', $3, 'number', $4, 'customer_id', $5, 'actor_id', $5,
                              'request_id', NULL, 'total', sum.total, 'items',
                              (SELECT jsonb_agg(to_jsonb(locked)) FROM locked)), $6
    FROM sum WHERE is_there
),
kept AS (
    INSERT INTO idempotency_keys ({_KEY_COLUMNS})
    SELECT $5, 'POST', '/v1/orders', $7::text, $8::timestamptz, $9::bytea, 201,
           {_KEPT_HEADERS}, $10::bytea
    FROM sum WHERE is_there
){notified if with_notification else ""},
taken AS (
    UPDATE products p
    SET stock = p.stock - locked.quantity, version = p.version + 1, updated_at = $6
    FROM locked, sum WHERE p.id = locked.id AND is_there
    RETURNING p.id, p.sku, p.stock, locked.quantity
),
moved AS (
    INSERT INTO stock_movements ({_MOVEMENT_COLUMNS})
    SELECT gen_random_uuid(), id, -quantity, stock, 'order', $5, $3, $6 FROM taken
)
SELECT id, sku, quantity FROM taken
"""


def order_script(products: Sequence[range], customers: Sequence[UUID], *, notify: bool) -> str:
    """
    A script for pgbench: an order of one of each of these ranges of products, in a pipeline.

    The numbers of the products are those of their skus. `start` is a variable that is greater from
    one run to the next.
    """
    names = [f"product{position}" for position in range(len(products))]
    chosen = "\n".join(
        f"\\set {name} random({numbers[0]}, {numbers[-1]})"
        for name, numbers in zip(names, products, strict=True)
    )
    skus = ", ".join(_sku(name) for name in names)
    # Later ones are greater, as ours are.
    id = (
        "(lpad(to_hex(:stamp::bigint), 12, '0') || '70008'"
        " || lpad(to_hex(:client_id::bigint), 3, '0') || lpad(to_hex(:n::bigint), 12, '0'))::uuid"
    )
    number = "'PGB-' || to_hex(:stamp::bigint) || '-' || :client_id::text"
    ids = ",".join(map(str, customers))
    customer = f"('{{{ids}}}'::uuid[])[:client_id::int % {len(customers)} + 1]"
    notified = (
        f"INSERT INTO notifications ({_NOTIFICATION_COLUMNS}) VALUES (gen_random_uuid(), 1, 0,"
        f" {customer}, {id}, 'Order ' || {number} || ' was placed.', now());"
    )
    taken = "\n".join(
        f"WITH taken AS (UPDATE products SET stock = stock - 1, version = version + 1,"
        f" updated_at = now() WHERE sku = {_sku(name)} AND deleted_at IS NULL AND stock >= 1"
        f" RETURNING id, stock) INSERT INTO stock_movements ({_MOVEMENT_COLUMNS})"
        f" SELECT gen_random_uuid(), id, -1, stock, 'order', {customer}, {id}, now() FROM taken;"
        for name in names
    )
    return f"""
\\set n :n + 1
\\set stamp :start + :n
{chosen}
\\startpipeline
BEGIN;
INSERT INTO idempotency_keys ({_KEY_COLUMNS}) VALUES ({customer}, 'POST', '/v1/orders',\
 {number}, now() + interval '24 hours', 'hash of the request'::bytea, 201, {_KEPT_HEADERS},\
 'body of the answer'::bytea);
INSERT INTO orders ({_ORDER_COLUMNS}, placed_at, updated_at) SELECT {id}, 1, 1, {number},\
 {customer}, 'pending', sum(price_minor), min(price_currency), now(), now() FROM products\
 WHERE sku IN ({skus}) AND deleted_at IS NULL;
INSERT INTO order_lines ({_LINE_COLUMNS}) SELECT gen_random_uuid(), {id},\
 row_number() OVER (ORDER BY sku), id, sku, name, price_minor, price_currency, 1 FROM products\
 WHERE sku IN ({skus}) AND deleted_at IS NULL;
INSERT INTO outbox ({_OUTBOX_COLUMNS}) SELECT gen_random_uuid(), 'order.placed', {id}, 1,\
 jsonb_build_object('order_id', {id}, 'number', {number}, 'customer_id', {customer},\
 'actor_id', {customer}, 'request_id', NULL, 'items', jsonb_agg(jsonb_build_object('sku', sku))),\
 now() FROM products WHERE sku IN ({skus}) AND deleted_at IS NULL;
{notified if notify else ""}
{taken}
COMMIT;
\\endpipeline
"""


def _sku(variable: str) -> str:
    return f"('P-' || lpad(:{variable}::text, 7, '0'))"
