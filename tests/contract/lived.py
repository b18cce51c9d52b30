"""A shop that has lived through everything, by its use cases alone: its books are in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.accounts.opening import Opening
from application.accounts.transfers import Bookkeeping
from application.catalog.curation import Curation
from application.catalog.drafts import Draft
from application.catalog.exchange import ProductRow
from application.catalog.importing import Importing
from application.catalog.inventory import Inventory
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from application.content.publishing import Publishing
from application.content.tagging import Tagging
from application.identity.actor import OPERATOR, Actor
from application.identity.administration import Administration
from application.identity.registration import NewUser, Registration
from application.identity.signing_in import SigningIn
from application.ordering.charging import Charging
from application.ordering.checkout import BasketLine, Checkout
from application.ordering.fulfilment import Fulfilment
from application.ordering.paying import Paying
from application.ordering.ports import Declined, NoVerdict, Verdict
from application.ordering.refunding import Refunding
from application.shared.idempotency import Answer, RequestKey
from application.shared.unit_of_work import Runner
from domain.accounts.account import AccountId
from domain.catalog.category import CategoryId
from domain.catalog.product import ProductId, sku
from domain.catalog.tag import TagId
from domain.content.post import PostId
from domain.identity.user import Role, UserId
from domain.ordering.order import OrderId
from domain.ordering.payment import PaymentId, PaymentMethod
from domain.ordering.status import OrderStatus
from domain.shared.money import Currency, Money
from domain.shared.text import slug
from tests.builders import PASSWORD, PlainHasher, PlainTokens, Ticking, an_actor, gbp, usd
from tests.contract.backends import Backend

KEY: Final = RequestKey(UUID(int=1), "POST", "/v1/orders", "basket-17")
GBP: Final = Currency.of("GBP")


@dataclass(frozen=True, slots=True)
class Provider:
    """Who says the same of every charge, or nothing."""

    says: Verdict | None

    async def charge(self, id: PaymentId, amount: Money) -> Verdict:
        if self.says is None:
            raise NoVerdict
        return self.says

    async def verdict(self, id: PaymentId) -> Verdict:
        raise NoVerdict


@dataclass(slots=True)
class Life:
    """What a shop lives through; `ids` are those of what is there in the end, or was."""

    backend: Backend
    clock: Ticking = field(default_factory=Ticking)
    ids: dict[str, UUID] = field(default_factory=dict)

    @property
    def clerk(self) -> Actor:
        return an_actor(Role.STAFF, UserId(self.ids["clerk"]))

    async def go_by(self) -> None:
        await self._users()
        await self._shelves()
        await self._products()
        await self._posts()
        await self._orders()
        await self._accounts()
        await self._payments()
        await self._key()

    async def _users(self) -> None:
        begin, users, hasher = self.backend.begin, self.backend.users, PlainHasher()
        registration = Registration(begin, hasher, self.clock)
        administration = Administration(begin, users, registration, hasher, self.clock)
        for name in ("clerk", "ada", "bob", "eve"):
            new = NewUser(username=name, email=f"{name}@example.com", password=PASSWORD)
            self.ids[name] = (await registration.register(new)).id
        admin = an_actor(Role.ADMIN)
        await administration.revise(admin, UserId(self.ids["clerk"]), {}, role=Role.STAFF)
        signing_in = SigningIn(
            begin, users, hasher, PlainTokens(), timedelta(minutes=1), self.clock
        )
        for login in ("eve", "ada", "ada"):
            # Each time what has expired of theirs goes, without a word.
            self.clock.now += timedelta(minutes=1)
            grant = await signing_in.with_password(login, PASSWORD, client=None, address="::1")
        grant = await signing_in.with_refresh_token(grant.refresh_token)
        await signing_in.revoke(grant.refresh_token)
        await administration.deactivate(admin, UserId(self.ids["bob"]))
        await administration.delete(admin, UserId(self.ids["eve"]))

    async def _shelves(self) -> None:
        curation = Curation(self.backend.begin, self.clock)
        tagging = Tagging(self.backend.begin, self.clock)
        above: dict[str, str | None] = {"kitchen": None, "cups": "kitchen", "mugs": "cups"}
        for name, parent in {**above, "garden": None, "attic": "kitchen"}.items():
            parent_id = CategoryId(self.ids[parent]) if parent else None
            made = await curation.create(self.clerk, name=name, parent_id=parent_id)
            self.ids[name] = made.id
        await curation.revise(
            self.clerk, CategoryId(self.ids["mugs"]), {"parent_id": CategoryId(self.ids["kitchen"])}
        )
        await curation.delete(self.clerk, CategoryId(self.ids["attic"]))
        for name in ("new", "tea", "old"):
            self.ids[name] = (await tagging.create(self.clerk, name=name)).id

    async def _posts(self) -> None:
        publishing = Publishing(self.backend.begin, self.clock)
        for title, tag in (
            ("How we fire", "tea"),
            ("What we drink", "tea"),
            ("Whom we sell", "new"),
        ):
            post = await publishing.create(self.clerk, title=title, tags=[slug(tag)])
            self.ids[title] = post.id
        for title in ("How we fire", "What we drink"):
            await publishing.publish(self.clerk, PostId(self.ids[title]))
        await publishing.archive(self.clerk, PostId(self.ids["What we drink"]))
        await publishing.delete(self.clerk, PostId(self.ids["Whom we sell"]))

    async def _products(self) -> None:
        begin = self.backend.begin
        stocking, revision = Stocking(begin, self.clock), Revision(begin, self.clock)
        inventory = Inventory(begin, self.clock)
        for name, stock, tags in (
            ("mug", 10, ["new", "old"]),
            ("pot", 10, ["tea"]),
            ("jar", 0, []),
            ("gone", 4, ["new"]),
        ):
            draft = Draft(
                sku=sku(name),
                name=name,
                price=gbp("2.50"),
                stock=stock,
                tags=[slug(tag) for tag in tags],
                category_id=CategoryId(self.ids["mugs"]),
            )
            self.ids[name] = (await stocking.create(self.clerk, draft)).id
        mug, gone = ProductId(self.ids["mug"]), ProductId(self.ids["gone"])
        await inventory.adjust(self.clerk, mug, 5)
        await inventory.count(self.clerk, mug, 12)
        await revision.revise(self.clerk, mug, {"name": "big mug", "tags": [slug("old")]})
        await revision.delete(self.clerk, gone)
        rows = [
            ProductRow(2, sku("MUG"), {"stock": 20}),
            ProductRow(3, sku("CAN"), {"name": "can", "price": gbp("1"), "stock": 7}),
        ]
        await Importing(begin, self.clock).load(OPERATOR, rows, skip=False)
        await Tagging(begin, self.clock).delete(self.clerk, TagId(self.ids["old"]))

    async def _orders(self) -> None:
        checkout = Checkout(self.backend.begin, self.clock)
        fulfilment = Fulfilment(self.backend.begin, self.clock)
        confirmed, shipped, delivered, cancelled = [*OrderStatus][1:]
        for name, path in {
            "pending": [],
            "delivered": [confirmed, shipped, delivered],
            "cancelled": [confirmed, cancelled],
        }.items():
            basket = [BasketLine(ProductId(self.ids["mug"]), 2), BasketLine(sku("POT"), 1)]
            customer_id = UserId(self.ids["ada"])
            order = await checkout.place(self.clerk, basket, customer_id=customer_id)
            self.ids[name] = order.id
            for status in path:
                await fulfilment.move(self.clerk, OrderId(order.id), status)

    async def _accounts(self) -> None:
        bookkeeping = Bookkeeping(self.backend.begin, self.clock)
        opening = Opening(self.backend.begin, GBP, self.clock)
        ids = {}
        for name in ("clerk", "ada"):
            ids[name] = AccountId((await opening.open(self.clerk, UserId(self.ids[name]))).id)
        deposit = await bookkeeping.deposit(self.clerk, ids["ada"], gbp("9"), reference="gift")
        dollars = await opening.open(self.clerk, UserId(self.ids["clerk"]), Currency.of("USD"))
        id = AccountId(dollars.id)
        other = await bookkeeping.deposit(self.clerk, id, usd("3"), reference="gift")
        transfer = await bookkeeping.transfer(self.clerk, ids["ada"], ids["clerk"], gbp("4"))
        self.ids |= {
            "purse": ids["ada"],
            "dollars of the house": other.entries[0].account_id,
            "deposit": deposit.id,
            "transfer": transfer.id,
            "entry": transfer.entries[0].id,
        }

    async def _payments(self) -> None:
        """Orders that are paid, in every way and to every end, by the one who has credit."""
        begin = self.backend.begin
        checkout, paying = Checkout(begin, self.clock), Paying(begin, self.clock)
        fulfilment, refunding = Fulfilment(begin, self.clock), Refunding(begin, self.clock)
        clerk, ids = self.clerk, {}
        for name in ("paid", "sent back", "half", "asked", "declined"):
            order = await checkout.place(clerk, [BasketLine(ProductId(self.ids["mug"]), 2)])
            self.ids[name], ids[name] = order.id, OrderId(order.id)
        for name, credit in (("paid", "1"), ("sent back", "0.50"), ("half", "0.40")):
            payment = await paying.pay(clerk, ids[name], PaymentMethod.STORE_CREDIT, gbp(credit))
            self.ids[f"credit of {name}"] = payment.id
        for name in ("paid", "sent back"):
            payment = await paying.pay(clerk, ids[name], PaymentMethod.EXTERNAL, reference="till")
            self.ids[f"cash of {name}"] = payment.id
        refund = await refunding.refund(clerk, ids["paid"], gbp("4.50"), reason="late")
        self.ids |= {"refund": refund.id, "credit back": refund.parts[1].id}
        await refunding.refund(clerk, ids["half"], gbp("0.10"), reason="too much")
        await fulfilment.move(clerk, ids["sent back"], OrderStatus.CANCELLED)
        await refunding.refund(clerk, ids["sent back"], gbp("2"), reason="from the till")
        for name, verdict in (("asked", None), ("declined", Declined("no cover"))):
            charging = Charging(begin, Provider(verdict), Runner(), self.clock)
            await charging.charge(clerk, ids[name], gbp("1"))

    async def _key(self) -> None:
        answer = Answer(request_hash=b"#", status=201, headers=(("ETag", '"1"'),), body=b"{}")
        async with self.backend.begin() as work:
            await work.keys.claim(KEY, at=self.clock())
            await work.keys.keep(KEY, answer, until=self.clock.now + timedelta(days=1))
            await work.commit()


@dataclass(frozen=True, slots=True)
class Lived:
    """What there is in the end, or was, by what it is called; and when the end is."""

    ids: Mapping[str, UUID]
    now: datetime

    def __getitem__(self, name: str) -> UUID:
        return self.ids[name]


async def lived(backend: Backend) -> Lived:
    """Let everything happen to the shop that can."""
    life = Life(backend)
    await life.go_by()
    return Lived(life.ids, life.clock.now)
