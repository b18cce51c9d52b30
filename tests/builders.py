"""A valid one of everything: each test names what it is about and leaves the rest to these."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID, uuid4

from application.catalog.drafts import Draft
from application.identity.actor import Actor
from application.identity.ports import Holder
from domain.accounts.account import Account
from domain.accounts.transfer import Transfer, TransferId
from domain.catalog.category import Category, CategoryId
from domain.catalog.product import NewProduct, Product, ProductId, sku
from domain.catalog.stock import Because, Cause
from domain.catalog.tag import Tag
from domain.content.post import Post
from domain.identity.session import RefreshToken, Session, SessionId
from domain.identity.user import Role, User, UserId
from domain.notifications.notification import Notification
from domain.ordering.address import Address
from domain.ordering.order import Order, OrderNumber, new_number
from domain.ordering.payment import Payment, PaymentMethod
from domain.ordering.refund import Refund
from domain.shared.author import Author
from domain.shared.money import Currency, Money
from domain.shared.text import slug

NOON: Final = datetime(2026, 3, 14, 12, tzinfo=UTC)
BY_HAND: Final = Because(Cause.ADJUSTMENT, UUID(int=7))  # why stock changes in most tests
PASSWORD: Final = "Correct horse 9"

_numbers: Final = count(1)


@dataclass(slots=True)
class Ticking:
    """A clock that moves on with every look at it."""

    now: datetime = NOON
    step: timedelta = timedelta(seconds=1)

    def __call__(self) -> datetime:
        now = self.now
        self.now += self.step
        return now


@dataclass(slots=True)
class Hands:
    """A clock that stands still until somebody moves its hands."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def move(self, *, days: int = 0, minutes: int = 0, seconds: float = 0) -> None:
        self.now += timedelta(days=days, minutes=minutes, seconds=seconds)


def at_noon() -> datetime:
    """A clock that stands still."""
    return NOON


@dataclass(slots=True)
class PlainHasher:
    """
    Hashes in no time, and remembers which hashes it was asked to verify.

    `parameters` begin each hash; those that begin otherwise are outdated. `meanwhile` is what
    happens elsewhere while a password is verified.
    """

    asked: list[str | None] = field(default_factory=list)
    parameters: str = "plain"
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def hash(self, password: str) -> str:
        return f"{self.parameters}:{password}"

    async def verify(self, password: str, hash: str | None) -> bool:
        self.asked.append(hash)
        if self.meanwhile:
            await self.meanwhile()
        return hash is not None and hash.partition(":")[1:] == (":", password)

    def is_outdated(self, hash: str) -> bool:
        return not hash.startswith(f"{self.parameters}:")


@dataclass(slots=True)
class PlainTokens:
    """Access tokens that anybody can read, and forge."""

    lifetime: int = 900

    def issue(self, holder: Holder) -> str:
        return f"access of {holder.user_id} in {holder.session_id}"

    def holder(self, token: str) -> Holder | None:
        match token.split(" "):
            case ["access", "of", user_id, "in", session_id]:
                return Holder(UserId(UUID(user_id)), SessionId(UUID(session_id)))
        return None


def money(amount: str, currency: str = "GBP") -> Money:
    return Money.parse(amount, Currency.of(currency), field="price")


def gbp(amount: str) -> Money:
    return money(amount)


def usd(amount: str) -> Money:
    return money(amount, "USD")


def an_actor(role: Role = Role.CUSTOMER, id: UserId | None = None) -> Actor:
    """Somebody who asks; no such user is stored anywhere."""
    return Actor(id or UserId(uuid4()), role)


def actor_of(user: User) -> Actor:
    return Actor(UserId(user.id), user.role)


def a_user(
    *,
    username: str | None = None,
    email: str | None = None,
    password: str = PASSWORD,
    full_name: str | None = None,
    role: Role = Role.CUSTOMER,
    is_active: bool = True,
    at: datetime = NOON,
) -> User:
    """Somebody who can sign in where PlainHasher compares the passwords."""
    username = username or f"user_{next(_numbers)}"
    user = User.register(
        username=username,
        email=email or f"{username}@example.com",
        password_hash=f"plain:{password}",
        full_name=full_name,
        role=role,
        at=at,
    )
    user.is_active = is_active
    return user


def a_session(
    user: User,
    *,
    client: str | None = "test",
    lifetime: timedelta = timedelta(days=30),
    at: datetime = NOON,
) -> tuple[Session, RefreshToken]:
    """A sign-in of the user, and the refresh token that came of it."""
    return Session.open(UserId(user.id), client=client, lifetime=lifetime, at=at)


def an_account(owner: User | None = None, *, currency: str = "GBP", at: datetime = NOON) -> Account:
    """An empty account of this user, or of one whom no backend has."""
    owner_id = UserId(owner.id if owner else uuid4())
    return Account.open(owner_id, Currency.of(currency), at=at)


def a_house(*, currency: str = "GBP", at: datetime = NOON) -> Account:
    return Account.open(None, Currency.of(currency), at=at)


def a_transfer(
    source: Account,
    target: Account,
    amount: Money | None = None,
    *,
    memo: str | None = None,
    reference: str | None = None,
    actor: User | None = None,
    at: datetime = NOON,
) -> Transfer:
    """
    A transfer, after which both accounts have other balances.

    It goes into a backend only after its accounts and its actor, who is nobody without being named.
    """
    return Transfer.between(
        source,
        target,
        amount or Money(100, source.currency),
        memo=memo,
        reference=reference,
        actor_id=UserId(actor.id if actor else uuid4()),
        at=at,
    )


def a_category(
    *,
    name: str | None = None,
    slug_text: str | None = None,
    description: str = "",
    below: Category | None = None,
    at: datetime = NOON,
) -> Category:
    """A root, or a child of `below`."""
    number = next(_numbers)
    return Category.create(
        name=name or f"Category {number}",
        slug=slug(slug_text or f"category-{number}"),
        description=description,
        above=[CategoryId(below.id)] if below else [],
        at=at,
    )


def a_new_product(
    *,
    sku_text: str | None = None,
    slug_text: str | None = None,
    name: str | None = None,
    description: str = "",
    price: Money | None = None,
    stock: int = 10,
    is_active: bool = True,
    category: Category | None = None,
    tags: Iterable[Tag] = (),
    metadata: Mapping[str, str] | None = None,
    at: datetime = NOON,
) -> NewProduct:
    number = next(_numbers)
    return NewProduct.of(
        sku=sku(sku_text or f"SKU-{number}"),
        slug=slug(slug_text or f"product-{number}"),
        name=name or f"Product {number}",
        description=description,
        price=price or gbp("9.99"),
        stock=stock,
        is_active=is_active,
        category_id=CategoryId(category.id) if category else None,
        tags=[tag.slug for tag in tags],
        metadata=metadata,
        because=BY_HAND,
        at=at,
    )


def a_product(**facts: Any) -> Product:
    """One that begins as `a_new_product` of these facts does."""
    return Product.create(a_new_product(**facts))


def a_tag(*, name: str | None = None, slug_text: str | None = None, at: datetime = NOON) -> Tag:
    number = next(_numbers)
    return Tag.create(name=name or f"Tag {number}", slug=slug(slug_text or f"tag-{number}"), at=at)


def a_post(
    author: User | None = None,
    *,
    title: str | None = None,
    slug_text: str | None = None,
    content: str = "",
    tags: Iterable[Tag] = (),
    published_at: datetime | None = None,
    at: datetime = NOON,
) -> Post:
    """A draft, unless it is published at some time, of this user or of one whom no backend has."""
    number = next(_numbers)
    post = Post.create(
        title=title or f"Post {number}",
        slug=slug(slug_text or f"post-{number}"),
        content=content,
        tags=[tag.slug for tag in tags],
        author_id=UserId(author.id if author else uuid4()),
        at=at,
    )
    if published_at is not None:
        post.publish(at=published_at)
    return post


def a_draft(
    *,
    sku_text: str | None = None,
    slug_text: str | None = None,
    name: str | None = None,
    price: Money | None = None,
    stock: int = 10,
    category: Category | None = None,
    tags: Iterable[Tag] = (),
    is_active: bool = True,
) -> Draft:
    """A product to be, without a slug of its own unless it is given one."""
    number = next(_numbers)
    return Draft(
        sku=sku(sku_text or f"SKU-{number}"),
        name=name or f"Product {number}",
        price=price or gbp("9.99"),
        slug=slug(slug_text) if slug_text else None,
        stock=stock,
        category_id=CategoryId(category.id) if category else None,
        tags=[tag.slug for tag in tags],
        is_active=is_active,
    )


def an_address(*, name: str = "Ada Lovelace", country: str = "GB") -> Address:
    return Address(
        name=name,
        line1="12 St James's Square",
        city="London",
        postal_code="SW1Y 4JH",
        country=country,
    )


def a_payment(
    order: Order,
    amount: Money | None = None,
    *,
    method: PaymentMethod = PaymentMethod.EXTERNAL,
    transfer: Transfer | None = None,
    actor: User | None = None,
    at: datetime = NOON,
) -> Payment:
    """
    A payment of all that is due, or of the amount, received for this order.

    It goes into a backend only after its order, its actor and, of store credit, its transfer.
    """
    by = Author(actor.id if actor else order.customer_id)
    payment = Payment.of(order, amount, method, by=by, at=at)
    payment.receive(order, transfer_id=TransferId(transfer.id) if transfer else None, by=by, at=at)
    return payment


def a_refund(
    order: Order,
    *payments: Payment,
    amount: Money | None = None,
    transfer: Transfer | None = None,
    actor: User | None = None,
    at: datetime = NOON,
) -> Refund:
    """
    A refund of the amount, or of all, to these payments; of store credit with its transfer.

    It goes into a backend only after its order, its payments, its actor and its transfer.
    """
    by = Author(actor.id if actor else order.customer_id)
    refund = Refund.of(order, payments, amount, "damaged", by=by, at=at)
    if transfer:
        refund.parts[0].transfer_id = TransferId(transfer.id)
    return refund


def an_order(
    *products: Product,
    customer: User | None = None,
    quantity: int = 1,
    quantities: Mapping[Product, int] | None = None,
    number: OrderNumber | None = None,
    expected_total: Money | None = None,
    shipping_address: Address | None = None,
    note: str | None = None,
    actor: Actor | None = None,
    at: datetime = NOON,
) -> Order:
    """
    An order of `quantity` of each product, or of `quantities`, taken from their stock.

    Without a product it is of a new one, which no backend has. An order goes into a backend only
    after its products and its customer.
    """
    basket = quantities or dict.fromkeys(products or [a_product()], quantity)
    customer_id = UserId(customer.id if customer else uuid4())
    return Order.place(
        number=number or new_number(at),
        customer_id=customer_id,
        wanted={ProductId(product.id): wanted for product, wanted in basket.items()},
        products={ProductId(product.id): product for product in basket},
        expected_total=expected_total,
        shipping_address=shipping_address,
        note=note,
        by=Author(actor.id if actor else customer_id),
        at=at,
    )


def a_notification(
    user: User | None = None,
    *,
    message: str | None = None,
    order: Order | None = None,
    read_at: datetime | None = None,
    at: datetime = NOON,
) -> Notification:
    """What this user, or one whom no backend has, is told; about no order unless one is named."""
    notification = Notification.write(
        UserId(user.id if user else uuid4()),
        message or f"News {next(_numbers)}",
        order_id=order.id if order else None,
        at=at,
    )
    if read_at:
        notification.read(at=read_at)
    return notification
