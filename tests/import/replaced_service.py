"""The tables of the service that Slipway takes the place of, as its SQLAlchemy models make them, and accounts in them."""

from datetime import datetime, timezone

import bcrypt
from sqlalchemy import Boolean, DateTime, ForeignKey, Integer, String, create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACCOUNTS = 10_000
INACTIVE_EVERY = 100
# Six characters were enough there; the cost is passlib's default for those who sign in here, and low for the others, since
# their hashes are copied and not computed.
PASSWORD = "secret"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
CHEAP_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
REGISTERED = datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=timezone.utc)

# Any 1 to 64 characters were a name there.
ODD_NAMES = ["José María", "日本", "anna maria", "zoe\u0308", "x" * 64, "a/b", "o'hara@example.com"]
# The first of them keeps the name.
CASE_TWINS = ["Twin", "twin", "TWIN"]
NOBODY = [" ", "tab\tname"]


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True, index=True)
    email: Mapped[str | None] = mapped_column(String(255), unique=True, nullable=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: REGISTERED)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: REGISTERED)


class Session(Base):
    __tablename__ = "sessions"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True), nullable=True)


def engine_of(url: str):
    """For a URL as the two services have it."""
    for ours, theirs in [("sqlite:", "sqlite:///"), ("postgres://", "postgresql+psycopg://")]:
        if url.startswith(ours):
            return create_engine(theirs + url.removeprefix(ours))
    raise ValueError(url)


def fill(url: str) -> None:
    engine = engine_of(url)
    Base.metadata.create_all(engine)
    rows = [
        {
            "username": f"User{number:05}",
            "email": f"user{number}@example.com" if number % 2 else None,
            "password_hash": HASH if number < 10 else CHEAP_HASH,
            "is_active": number % INACTIVE_EVERY != 0,
        }
        for number in range(ACCOUNTS)
    ]
    others = ODD_NAMES + CASE_TWINS + NOBODY
    rows += [{"username": name, "email": None, "password_hash": HASH, "is_active": True} for name in others]
    with engine.begin() as connection:
        connection.execute(insert(User), rows)
        connection.execute(insert(Session), [{
            "user_id": 1, "token_hash": "0" * 64, "expires_at": REGISTERED, "revoked_at": None,
        }])
    engine.dispose()
