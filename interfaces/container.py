from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from dependency_injector import containers, providers

from application.accounts.opening import Opening
from application.accounts.statements import Statements
from application.accounts.transfers import Bookkeeping
from application.auditing.verification import Verification
from application.catalog.browsing import Browsing
from application.catalog.curation import Curation
from application.catalog.exporting import Exporting
from application.catalog.importing import Importing
from application.catalog.importing_categories import ImportingCategories
from application.catalog.inventory import Inventory
from application.catalog.revision import Revision
from application.catalog.stocking import Stocking
from application.content.publishing import Publishing
from application.content.reading import Reading
from application.content.tagging import Tagging
from application.identity.administration import Administration
from application.identity.housekeeping import Housekeeping
from application.identity.profile import Profile
from application.identity.recognition import Recognition
from application.identity.registration import Registration
from application.identity.signing_in import SigningIn
from application.notifications.inbox import Inbox
from application.ordering.charging import Charging
from application.ordering.checkout import Checkout
from application.ordering.cohorts import Cohorts
from application.ordering.expiry import Expiry
from application.ordering.fulfilment import Fulfilment
from application.ordering.history import History
from application.ordering.paying import Paying
from application.ordering.refunding import Refunding
from application.ordering.telling import Telling
from application.reporting.figures import Figures
from application.shared.clock import utc_now
from application.shared.unit_of_work import Joined, Runner, UnitOfWork
from domain.shared.money import Currency
from infrastructure.gateways import NoGateway
from infrastructure.memory.accounts import MemoryAccountQueries, MemoryTransferQueries
from infrastructure.memory.auditing.queries import MemoryAuditQueries
from infrastructure.memory.catalog.queries import MemoryCategoryQueries, MemoryProductQueries
from infrastructure.memory.content import MemoryPostQueries, MemoryTagQueries
from infrastructure.memory.identity import MemorySessionQueries, MemoryUserQueries
from infrastructure.memory.notifications import MemoryNotificationQueries
from infrastructure.memory.ordering import MemoryOrderQueries
from infrastructure.memory.outbox import MemoryBacklog
from infrastructure.memory.reporting import MemoryReports
from infrastructure.memory.seed import open_seeded_shop
from infrastructure.memory.unit_of_work import MemoryUnitOfWork
from infrastructure.security import Argon2Hasher, JwtAccessTokens
from infrastructure.sql.accounts.queries import SqlAccountQueries, SqlTransferQueries
from infrastructure.sql.auditing.queries import SqlAuditQueries
from infrastructure.sql.catalog.queries import SqlCategoryQueries, SqlProductQueries
from infrastructure.sql.content.queries import SqlPostQueries, SqlTagQueries
from infrastructure.sql.database import Limits, connect
from infrastructure.sql.identity.queries import SqlSessionQueries, SqlUserQueries
from infrastructure.sql.migrating import Migrations
from infrastructure.sql.notifications.queries import SqlNotificationQueries
from infrastructure.sql.ordering.queries import SqlOrderQueries
from infrastructure.sql.readers import reader_of
from infrastructure.sql.readiness import SchemaReadiness
from infrastructure.sql.reporting.queries import SqlReports
from infrastructure.sql.standby import Standby
from infrastructure.sql.tally import begin_tally
from infrastructure.sql.unit_of_work import SqlUnitOfWork
from infrastructure.sql.watching import Backlog, connections_of
from interfaces.metrics import BATCH, RETRIES, UNTOLD, Counted, Observed
from interfaces.settings import Settings


async def _always_ready() -> None:
    """A shop in this process is there as soon as the process is."""


def _reads(
    backend: providers.Provider[str], memory: tuple[Any, ...], sql: tuple[Any, ...]
) -> providers.Selector[Any]:
    """Queries in their two forms, each a class and what it looks into."""
    return providers.Selector(
        backend, memory=providers.Factory(*memory), sql=providers.Factory(*sql)
    )


def _replica_of(shop: "Container") -> "Container":
    """A shop that looks into the standby, and works where this one does."""
    url = shop.settings().read_database_url
    replica = Container(
        settings=providers.Object(shop.settings().model_copy(update={"database_url": url}))
    )
    replica.work.override(shop.work)
    return replica


class Container(containers.DeclarativeContainer):
    """The one place where every abstraction meets its implementation."""

    __self__ = providers.Self()
    settings = providers.Dependency(instance_of=Settings)
    clock = providers.Object(utc_now)
    backend = providers.Callable(
        lambda memory: "memory" if memory else "sql", settings.provided.memory
    )

    memory = providers.Singleton(open_seeded_shop)
    limits = providers.Factory(
        Limits,
        pool_size=settings.provided.pool_size,
        max_overflow=settings.provided.max_overflow,
        pool_timeout=settings.provided.pool_timeout,
        connect_timeout=settings.provided.connect_timeout,
        statement_timeout=settings.provided.statement_timeout,
        lock_timeout=settings.provided.lock_timeout,
        idle_in_transaction_timeout=settings.provided.idle_in_transaction_timeout,
    )
    engine = providers.Singleton(connect, settings.provided.database_url, limits)
    reader = providers.Singleton(reader_of, engine, limits)
    lone_engine = providers.Singleton(
        connect,
        settings.provided.database_url,
        providers.Callable(limits, pool_size=1, max_overflow=0),
    )
    migrations = providers.Singleton(Migrations, settings.provided.database_url)
    replica = providers.Singleton(_replica_of, __self__)
    standby = providers.Singleton(Standby, reader, replica.provided.reader.call())

    sessions = _reads(backend, (MemorySessionQueries, memory), (SqlSessionQueries, engine))
    tokens = providers.Singleton(
        JwtAccessTokens,
        settings.provided.secrets,
        providers.Factory(timedelta, minutes=settings.provided.access_token_minutes),
        clock,
    )
    recognition = providers.Singleton(Recognition, tokens, sessions.provider, clock)

    work: providers.Selector[Any] = providers.Selector(
        backend,
        memory=providers.Factory(MemoryUnitOfWork, memory, recognition.provided.heard),
        sql=providers.Factory(SqlUnitOfWork, engine, recognition.provided.heard),
    )
    users = _reads(backend, (MemoryUserQueries, memory), (SqlUserQueries, engine))
    categories = _reads(backend, (MemoryCategoryQueries, memory), (SqlCategoryQueries, engine))
    tags = _reads(backend, (MemoryTagQueries, memory), (SqlTagQueries, engine))
    products = _reads(backend, (MemoryProductQueries, memory), (SqlProductQueries, engine, reader))
    posts = _reads(backend, (MemoryPostQueries, memory), (SqlPostQueries, engine))
    accounts = _reads(backend, (MemoryAccountQueries, memory), (SqlAccountQueries, engine))
    transfers = _reads(backend, (MemoryTransferQueries, memory), (SqlTransferQueries, engine))
    orders = _reads(backend, (MemoryOrderQueries, memory), (SqlOrderQueries, engine, reader))
    reports = _reads(backend, (MemoryReports, memory), (SqlReports, engine))
    notifications = _reads(
        backend, (MemoryNotificationQueries, memory), (SqlNotificationQueries, engine)
    )
    audits = _reads(backend, (MemoryAuditQueries, memory), (SqlAuditQueries, engine))
    readiness: providers.Selector[Any] = providers.Selector(
        backend,
        memory=providers.Object(_always_ready),
        sql=providers.Singleton(SchemaReadiness, lone_engine, migrations),
    )

    tally = providers.Object(begin_tally)
    connections: providers.Selector[Any] = providers.Selector(
        backend,
        memory=providers.Dict(),
        sql=providers.Callable(connections_of, engine, reader),
    )
    backlog: providers.Selector[Any] = providers.Selector(
        backend,
        memory=providers.Factory(MemoryBacklog, memory),
        sql=providers.Singleton(Backlog, engine),
    )

    runner = providers.Singleton(
        Runner, retries=providers.Factory(Counted, providers.Object(RETRIES))
    )
    idempotency_lifetime = providers.Factory(timedelta, hours=settings.provided.idempotency_hours)
    gateway = providers.Singleton(NoGateway)
    hasher = providers.Singleton(Argon2Hasher, settings.provided.password_hashers)

    registration = providers.Factory(Registration, begin=work.provider, hasher=hasher, clock=clock)
    signing_in = providers.Factory(
        SigningIn,
        begin=work.provider,
        users=users,
        hasher=hasher,
        tokens=tokens,
        session_lifetime=providers.Factory(timedelta, days=settings.provided.session_days),
        clock=clock,
    )
    profile = providers.Factory(
        Profile,
        begin=work.provider,
        users=users,
        sessions=sessions,
        signing_in=signing_in,
        hasher=hasher,
        clock=clock,
    )
    administration = providers.Factory(
        Administration,
        begin=work.provider,
        users=users,
        registration=registration,
        hasher=hasher,
        clock=clock,
    )
    housekeeping = providers.Factory(Housekeeping, begin=work.provider, clock=clock)
    browsing = providers.Factory(Browsing, categories=categories, products=products)
    curation = providers.Factory(Curation, begin=work.provider, clock=clock)
    tagging = providers.Factory(Tagging, begin=work.provider, clock=clock)
    publishing = providers.Factory(Publishing, begin=work.provider, clock=clock)
    reading = providers.Factory(Reading, begin=work.provider, posts=posts, tags=tags)
    stocking = providers.Factory(Stocking, begin=work.provider, clock=clock)
    revision = providers.Factory(Revision, begin=work.provider, clock=clock)
    importing = providers.Factory(Importing, begin=work.provider, clock=clock)
    importing_categories = providers.Factory(ImportingCategories, begin=work.provider, clock=clock)
    exporting = providers.Factory(Exporting, products=products)
    inventory = providers.Factory(Inventory, begin=work.provider, clock=clock)
    opening = providers.Factory(
        Opening,
        begin=work.provider,
        usual=providers.Factory(Currency.of, settings.provided.currency),
        clock=clock,
    )
    bookkeeping = providers.Factory(Bookkeeping, begin=work.provider, clock=clock)
    statements = providers.Factory(Statements, accounts=accounts, transfers=transfers)
    telling = providers.Singleton(
        Telling, failures=providers.Factory(Counted, providers.Object(UNTOLD))
    )
    paying = providers.Factory(Paying, begin=work.provider, clock=clock, tell=telling)
    refunding = providers.Factory(Refunding, begin=work.provider, clock=clock, tell=telling)
    charging = providers.Factory(
        Charging, begin=work.provider, gateway=gateway, run=runner, clock=clock, tell=telling
    )
    expiry = providers.Factory(Expiry, begin=work.provider, run=runner, clock=clock, tell=telling)
    figures = providers.Factory(
        Figures,
        reports=reports,
        usual=providers.Factory(Currency.of, settings.provided.currency),
    )
    cohorts = providers.Singleton(
        Cohorts,
        begin=work.provider,
        patience=settings.provided.pool_timeout,
        sizes=providers.Factory(Observed, providers.Object(BATCH)),
    )
    checkout = providers.Factory(Checkout, begin=cohorts, clock=clock, tell=telling)
    fulfilment = providers.Factory(Fulfilment, begin=work.provider, clock=clock, tell=telling)
    history = providers.Factory(History, orders=orders)
    inbox = providers.Factory(Inbox, begin=work.provider, notifications=notifications, clock=clock)
    verification = providers.Factory(Verification, audits=audits, clock=clock)


def joining(
    outer: UnitOfWork, first: Callable[[], Awaitable[None]] | None = None
) -> Callable[[], Any]:
    """A `begin` for use cases that shall take part in this unit of work, after `first`."""
    return lambda: Joined(outer, first)


async def looking(shop: Container) -> Container:
    """The shop to look into: its replica, if it has one that knows all that it knows itself."""
    settings = shop.settings()
    if settings.read_database_url is None or settings.memory:
        return shop
    return shop.replica() if await shop.standby().has_caught_up() else shop


async def close(container: Container) -> None:
    """Finish what runs, then give back what the container holds."""
    await container.runner().drain(container.settings().shutdown_seconds)
    await container.cohorts().close()
    container.hasher().close()
    if container.settings().read_database_url:
        await _disconnect(container.replica())
    if not container.settings().memory:
        await _disconnect(container)


async def _disconnect(container: Container) -> None:
    await container.reader().close()
    await container.engine().dispose()
    await container.lone_engine().dispose()
