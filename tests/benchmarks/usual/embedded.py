"""The usual way on SQLite: `async def` routes, one session on aiosqlite for each request."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmarks.usual.models import IdempotencyKey, Order, Product, User
from tests.benchmarks.usual.placing import identity, kept, new_order, take, told
from tests.benchmarks.usual.schemas import OrderIn, OrderOut

engine = create_async_engine(
    os.environ["USUAL_DATABASE_URL"], pool_size=10, max_overflow=20, pool_pre_ping=True
)
SessionLocal = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


@event.listens_for(engine.sync_engine, "connect")
def prepare(connection: Any, _: object) -> None:
    # As durable as ours. The transaction begins with the first statement and asks for the write
    # lock at once, as the documentation of SQLAlchemy advises: an upgrade may fail.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@event.listens_for(engine.sync_engine, "begin")
def begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def get_session() -> AsyncIterator[AsyncSession]:
    async with SessionLocal() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]
Token = Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="/v1/auth/token"))]


async def get_current_user(token: Token, session: SessionDep) -> User:
    try:
        claims = jwt.decode(
            token, os.environ["USUAL_SECRET"], algorithms=["HS256"], audience="tradepost"
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Could not validate credentials") from None
    user = await session.get(User, UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(401, "Could not validate credentials")
    return user


@app.get("/readyz")
async def ready(session: SessionDep) -> dict[str, str]:
    await session.execute(text("SELECT 1"))
    return {"status": "ok"}


@app.post("/v1/orders", status_code=201, response_model=OrderOut)
async def place_order(
    body: OrderIn,
    session: SessionDep,
    user: Annotated[User, Depends(get_current_user)],
    idempotency_key: Annotated[str, Header()],
) -> Order | Response:
    if before := await session.get(IdempotencyKey, identity(user, idempotency_key)):
        return Response(before.body, before.status or 200, media_type="application/json")
    taken = []
    for item in sorted(body.items, key=lambda item: item.sku):
        wanted = select(Product).where(Product.sku == item.sku, Product.deleted_at.is_(None))
        product = (await session.scalars(wanted)).one_or_none()
        taken.append((take(product, item.quantity), item.quantity))
    order = new_order(user, taken)
    session.add(order)
    await session.flush()
    session.add_all([*told(order, user, taken), kept(user, idempotency_key, body, order)])
    await session.commit()
    await session.refresh(order)
    return order
