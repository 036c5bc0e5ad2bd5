"""Accounts for generated requests, and values that generated requests cannot guess.

Every request that needs credentials gets an account of its own: /logout, /logout-all, /password and
DELETE /sessions/{id} end sessions, and a shared one would leave the rest of the run with nothing but 401.
"""

import itertools
import os

import requests
import schemathesis

COOKIE = "__Host-refresh_token"
PASSWORD = "correct horse battery"
# As long as the longest password.
HARD_TO_GUESS = "x7Kp2mQ9vTz4Lw8RbY3nFs6HdJ5gCe1U" * 4

server = requests.Session()
names = (f"account-{number}" for number in itertools.count(1))
turns = itertools.cycle([True, False])


def register():
    """A new account with its tokens, made by the API itself."""
    account = {"username": next(names), "password": PASSWORD}
    response = server.post(os.environ["SERVER_URL"] + "/register", json=account, timeout=10)
    response.raise_for_status()
    refresh_token = response.headers["Set-Cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
    server.cookies.clear()
    return account | {"access_token": response.json()["access_token"], "refresh_token": refresh_token}


@schemathesis.auth(refresh_interval=None)
class FreshAccount:
    def get(self, case, context):
        return register() if case.operation.definition.raw.get("security") else None

    def set(self, case, account, context):
        case.headers["Authorization"] = f"Bearer {account['access_token']}"
        case.cookies[COOKIE] = account["refresh_token"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes half of the valid requests succeed; the others keep their random values, which most often are refused."""
    if case.meta.generation.mode.is_positive:
        replace_easily_guessed_passwords(case)
    make_it_succeed = MEANINGFUL.get(case.operation.definition.raw["operationId"])
    if make_it_succeed and case.meta.generation.mode.is_positive and next(turns):
        make_it_succeed(case)


def replace_easily_guessed_passwords(case):
    """No schema can say which ones are refused. Of the same length, and all others stay as they are."""
    for name in ("password", "new_password"):
        value = case.body.get(name) if isinstance(case.body, dict) else None
        if isinstance(value, str) and len(set(value)) < max(8, len(value) / 3):
            case.body[name] = HARD_TO_GUESS[: len(value)]


def choose_a_free_name(case):
    case.body["username"] = next(names)


def sign_in_to_an_account_that_exists(case):
    account = register()
    case.body = {name: account[name] for name in ("username", "password")}


def tell_the_current_password(case):
    case.body["current_password"] = PASSWORD


def end_a_session_that_exists(case):
    headers = {"Authorization": case.headers["Authorization"]}
    me = server.get(os.environ["SERVER_URL"] + "/me", headers=headers, timeout=10)
    me.raise_for_status()
    case.path_parameters["id"] = me.json()["session_id"]


def ask_for_text(case):
    case.headers["Accept"] = "application/openmetrics-text"


MEANINGFUL = {
    "register": choose_a_free_name,
    "login": sign_in_to_an_account_that_exists,
    "changePassword": tell_the_current_password,
    "endSession": end_a_session_that_exists,
    "metrics": ask_for_text,
}
