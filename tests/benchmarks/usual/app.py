"""The usual way on PostgreSQL: `def` routes in the thread pool, a session of the ORM for each."""

import os
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import create_engine, or_, select, text
from sqlalchemy.orm import Session, sessionmaker

from tests.benchmarks.usual.models import Category, IdempotencyKey, Order, Product, User
from tests.benchmarks.usual.placing import identity, kept, new_order, take, told
from tests.benchmarks.usual.schemas import OrderIn, OrderOut, ProductList, ProductOut

engine = create_engine(
    os.environ["USUAL_DATABASE_URL"], pool_size=10, max_overflow=20, pool_pre_ping=True
)
SessionLocal = sessionmaker(engine)
app = FastAPI()


def get_session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
Token = Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="/v1/auth/token"))]


def get_current_user(token: Token, session: SessionDep) -> User:
    try:
        claims = jwt.decode(
            token, os.environ["USUAL_SECRET"], algorithms=["HS256"], audience="tradepost"
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Could not validate credentials") from None
    user = session.get(User, UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(401, "Could not validate credentials")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.get("/readyz")
def ready(session: SessionDep) -> dict[str, str]:
    session.execute(text("SELECT 1"))
    return {"status": "ok"}


@app.get("/v1/products/{id}", response_model=ProductOut)
def get_product(id: UUID, session: SessionDep) -> Product:
    product = session.get(Product, id)
    if product is None or product.deleted_at is not None:
        raise HTTPException(404, "Product not found")
    return product


@app.get("/v1/products", response_model=ProductList)
def list_products(
    session: SessionDep,
    category: str | None = None,
    q: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, list[Product]]:
    statement = select(Product).where(Product.deleted_at.is_(None), Product.is_active)
    if category is not None:
        found = session.scalars(select(Category).where(Category.slug == category)).one_or_none()
        if found is None:
            raise HTTPException(404, "Category not found")
        statement = statement.where(Product.category_id == found.id)
    for word in (q or "").split():
        like = f"%{word}%"
        statement = statement.where(or_(Product.name.ilike(like), Product.description.ilike(like)))
    newest = statement.order_by(Product.created_at.desc(), Product.id.desc())
    return {"items": [*session.scalars(newest.limit(limit).offset(offset))]}


@app.get("/v1/orders/{id}", response_model=OrderOut)
def get_order(id: UUID, session: SessionDep, user: CurrentUser) -> Order:
    order = session.get(Order, id)
    if order is None or order.customer_id != user.id:
        raise HTTPException(404, "Order not found")
    return order


@app.post("/v1/orders", status_code=201, response_model=OrderOut)
def place_order(
    body: OrderIn,
    session: SessionDep,
    user: CurrentUser,
    idempotency_key: Annotated[str, Header()],
) -> Order | Response:
    if before := session.get(IdempotencyKey, identity(user, idempotency_key)):
        return Response(before.body, before.status or 200, media_type="application/json")
    taken = []
    for item in sorted(body.items, key=lambda item: item.sku):
        wanted = select(Product).where(Product.sku == item.sku, Product.deleted_at.is_(None))
        product = session.scalars(wanted.with_for_update(of=Product)).one_or_none()
        taken.append((take(product, item.quantity), item.quantity))
    order = new_order(user, taken)
    session.add(order)
    session.flush()
    session.add_all([*told(order, user, taken), kept(user, idempotency_key, body, order)])
    session.commit()
    session.refresh(order)
    return order
