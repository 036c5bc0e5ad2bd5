"""The routes that are measured, on FastAPI and SQLAlchemy, as their documentation would have it.

    uvicorn app:app --loop uvloop --http httptools --no-access-log

Serves the tables that `slipway migrate` makes. Settings are those of Slipway by the same names: DATABASE_URL, REDIS_URL,
JWT_SECRET.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Cookie, Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from access_log import AccessLog
from models import Session, User, now
from security import InvalidToken, hash_password, is_right_password, read_token, sign_token

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(days=14)

# As many connections as the server that is compared opens.
engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+asyncpg://"), pool_size=10, max_overflow=0
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
cache = Redis.from_url(os.environ["REDIS_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await cache.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(AccessLog)


async def database() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]


class Status(BaseModel):
    status: str


class Greeting(BaseModel):
    message: str


class Credentials(BaseModel):
    username: str
    password: str


class AccessToken(BaseModel):
    access_token: str
    token_type: str = "bearer"


class Account(BaseModel):
    id: UUID
    username: str
    created_at: str


async def bearer_claims(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict:
    """Who holds the access token, unless its session was ended."""
    try:
        claims = read_token(credentials.credentials)
    except InvalidToken:
        raise HTTPException(401, "not signed in") from None
    if await cache.exists(f"revoked:{claims['sid']}"):
        raise HTTPException(401, "not signed in")
    return claims


@app.get("/health")
async def health() -> Status:
    return Status(status="ok")


@app.get("/ready")
async def ready(database: Database) -> Status:
    await database.execute(text("SELECT 1"))
    await cache.ping()
    return Status(status="ready")


@app.get("/hello")
async def hello(name: str = "world") -> Greeting:
    return Greeting(message=f"hello {name}")


@app.post("/register", status_code=201)
async def register(given: Credentials, database: Database, response: Response) -> AccessToken:
    user = User(
        username=given.username,
        username_key=given.username.lower(),
        password_hash=await hash_password(given.password),
    )
    database.add(user)
    try:
        await database.flush()
    except IntegrityError:
        raise HTTPException(409, "the username is taken") from None
    return await start_session(database, user.id, response)


@app.post("/login")
async def login(given: Credentials, database: Database, response: Response) -> AccessToken:
    user = await database.scalar(select(User).where(User.username_key == given.username.lower()))
    if user is None or not await is_right_password(user.password_hash, given.password):
        raise HTTPException(401, "not signed in")
    return await start_session(database, user.id, response)


@app.post("/refresh")
async def refresh(
    database: Database, response: Response, refresh_token: Annotated[str | None, Cookie()] = None
) -> AccessToken:
    try:
        claims = read_token(refresh_token or "")
    except InvalidToken:
        raise HTTPException(401, "not signed in") from None
    # Of two calls with one token only one finds the generation that it names.
    rotated = await database.execute(
        update(Session)
        .where(Session.id == UUID(claims["sid"]), Session.generation == claims["generation"])
        .where(Session.revoked_at.is_(None), Session.expires_at > now())
        .values(generation=Session.generation + 1, rotated_at=now(), expires_at=now() + SESSION_LIFETIME)
        .returning(Session.user_id, Session.generation)
    )
    row = rotated.one_or_none()
    if row is None:
        raise HTTPException(401, "not signed in")
    await database.commit()
    return tokens(row.user_id, UUID(claims["sid"]), row.generation, response)


@app.get("/me")
async def me(claims: Annotated[dict, Depends(bearer_claims)], database: Database) -> Account:
    user = await database.get(User, UUID(claims["uid"]))
    if user is None:
        raise HTTPException(401, "not signed in")
    return Account(id=user.id, username=user.username, created_at=user.created_at.isoformat())


async def start_session(database: AsyncSession, user_id: UUID, response: Response) -> AccessToken:
    end = now() + SESSION_LIFETIME
    session = Session(user_id=user_id, expires_at=end, absolute_expires_at=end)
    database.add(session)
    await database.commit()
    return tokens(user_id, session.id, session.generation, response)


def tokens(user_id: UUID, session_id: UUID, generation: int, response: Response) -> AccessToken:
    refresh_token = sign_token({"sid": str(session_id), "generation": generation}, SESSION_LIFETIME)
    response.set_cookie("refresh_token", refresh_token, httponly=True, samesite="lax")
    claims = {"uid": str(user_id), "sid": str(session_id)}
    return AccessToken(access_token=sign_token(claims, ACCESS_TOKEN_LIFETIME))
