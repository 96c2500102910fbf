"""FastAPI and SQLModel by hand over the tables of the benchmark: asynchronous, pooled, related rows fetched together."""

import os
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Response
from sqlalchemy import func
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel import Field, Relationship, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

engine = create_async_engine(os.environ["BENCH_URL"].replace("postgresql:", "postgresql+asyncpg:"), pool_size=5, max_overflow=0)
application = FastAPI(openapi_url=None)


class Customer(SQLModel, table=True):
    """A customer."""

    id: int | None = Field(default=None, primary_key=True)
    name: str
    mail: str | None = None
    city: str | None = None


class OrderBase(SQLModel):
    """What every order shows."""

    id: int | None = Field(default=None, primary_key=True)
    customer_id: int = Field(foreign_key="customer.id")
    total: Decimal
    placed_at: datetime
    note: str | None = None
    is_paid: bool


class Order(OrderBase, table=True):
    """An order."""

    __tablename__ = "orders"
    customer: Customer = Relationship()
    lines: list["Item"] = Relationship()


class Item(SQLModel, table=True):
    """A line of an order."""

    order_id: int = Field(foreign_key="orders.id", primary_key=True)
    number: int = Field(primary_key=True)
    product: str
    amount: int


class CustomerPart(SQLModel):
    """What an order shows of its customer."""

    id: int
    name: str


class LinePart(SQLModel):
    """What an order shows of its lines."""

    product: str
    amount: int


class Whole(SQLModel):
    """An order with its customer and its lines."""

    id: int
    total: Decimal
    placed_at: datetime
    customer: CustomerPart
    lines: list[LinePart]


async def open_session():
    """Lend a session."""
    async with AsyncSession(engine) as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


@application.get("/orders/{id}", response_model=OrderBase)
async def get_order(session: Session, id: int):
    """Return one order."""
    found = await session.get(Order, id)
    if found is None:
        raise HTTPException(404)
    return found


@application.get("/orders", response_model=list[OrderBase])
async def list_orders(session: Session, limit: int = 20):
    """Return the first orders."""
    return (await session.exec(select(Order).order_by(Order.id).limit(limit))).all()


@application.get("/paid", response_model=list[OrderBase])
async def list_paid(session: Session, total: Decimal, offset: int = 0, limit: int = 20):
    """Return the latest paid orders that are dearer than that."""
    statement = select(Order).where(Order.total > total, Order.is_paid).order_by(Order.placed_at.desc()).limit(limit).offset(offset)
    return (await session.exec(statement)).all()


@application.get("/counted", response_model=list[OrderBase])
async def list_counted(session: Session, response: Response, limit: int = 20):
    """Return the first orders, and how many there are."""
    response.headers["X-Total"] = str((await session.exec(select(func.count()).select_from(Order))).one())
    return (await session.exec(select(Order).order_by(Order.id).limit(limit))).all()


@application.get("/whole", response_model=list[Whole])
async def list_whole(session: Session, limit: int = 20):
    """Return the first orders with their customers and lines."""
    statement = select(Order).options(selectinload(Order.customer), selectinload(Order.lines)).order_by(Order.id).limit(limit)
    return (await session.exec(statement)).all()
