"""Tokens (HS256) and password hashes (Argon2id)."""

import os
from datetime import datetime, timedelta, timezone

import jwt
from anyio import to_thread
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from jwt import InvalidTokenError as InvalidToken

__all__ = ["InvalidToken", "hash_password", "is_right_password", "read_token", "sign_token"]

SECRET = os.environ["JWT_SECRET"]
# The parameters of the server that is compared (OWASP's Password Storage Cheat Sheet).
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def sign_token(claims: dict, lifetime: timedelta) -> str:
    return jwt.encode(claims | {"exp": datetime.now(timezone.utc) + lifetime}, SECRET, algorithm="HS256")


def read_token(token: str) -> dict:
    return jwt.decode(token, SECRET, algorithms=["HS256"])


async def hash_password(password: str) -> str:
    return await to_thread.run_sync(HASHER.hash, password)


async def is_right_password(stored: str, password: str) -> bool:
    try:
        return await to_thread.run_sync(HASHER.verify, stored, password)
    except VerifyMismatchError:
        return False
