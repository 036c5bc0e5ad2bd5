//! Accounts and sessions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::TypedHeader;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Bearer;
use chrono::{DateTime, Utc};
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use crate::App;
use crate::auth::{self, ACCESS_TOKEN_LIFETIME, AccessClaims, RefreshClaims, SESSION_LIFETIME};
use crate::error::Error;

const COOKIE: &str = "refresh_token";

#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: String,
    password: String,
}

#[derive(Serialize)]
pub(crate) struct AccessToken {
    access_token: String,
    token_type: &'static str,
}

#[derive(FromRow)]
struct Account {
    id: Uuid,
    password_hash: String,
}

#[derive(FromRow, Serialize)]
pub(crate) struct User {
    id: Uuid,
    username: String,
    created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Rotated {
    user_id: Uuid,
    generation: i64,
}

type SignedIn = (CookieJar, Json<AccessToken>);

pub(crate) async fn register(
    State(app): State<App>,
    Json(given): Json<Credentials>,
) -> Result<(StatusCode, CookieJar, Json<AccessToken>), Error> {
    let (id, hash) = (Uuid::now_v7(), auth::hash(given.password).await?);
    sqlx::query(
        "INSERT INTO users (id, username, username_key, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(&given.username)
    .bind(given.username.to_lowercase())
    .bind(hash)
    .bind(Utc::now())
    .execute(&app.database)
    .await?;
    let (jar, token) = start_session(&app, id).await?;
    Ok((StatusCode::CREATED, jar, token))
}

pub(crate) async fn login(State(app): State<App>, Json(given): Json<Credentials>) -> Result<SignedIn, Error> {
    let account: Option<Account> = sqlx::query_as("SELECT id, password_hash FROM users WHERE username_key = $1")
        .bind(given.username.to_lowercase())
        .fetch_optional(&app.database)
        .await?;
    let account = account.ok_or(Error::Unauthorized)?;
    if !auth::is_right(given.password, account.password_hash).await? {
        return Err(Error::Unauthorized);
    }
    start_session(&app, account.id).await
}

pub(crate) async fn refresh(State(app): State<App>, jar: CookieJar) -> Result<SignedIn, Error> {
    let cookie = jar.get(COOKIE).ok_or(Error::Unauthorized)?;
    let claims: RefreshClaims = app.tokens.verify(cookie.value())?;
    // Of two calls with one token only one finds the generation that it names.
    let rotated: Option<Rotated> = sqlx::query_as(
        "UPDATE sessions SET generation = generation + 1, rotated_at = $3, expires_at = $4
         WHERE id = $1 AND generation = $2 AND revoked_at IS NULL AND expires_at > $3
         RETURNING user_id, generation",
    )
    .bind(claims.sid)
    .bind(claims.generation)
    .bind(Utc::now())
    .bind(Utc::now() + SESSION_LIFETIME)
    .fetch_optional(&app.database)
    .await?;
    let rotated = rotated.ok_or(Error::Unauthorized)?;
    tokens(&app, rotated.user_id, claims.sid, rotated.generation)
}

pub(crate) async fn me(
    State(mut app): State<App>,
    TypedHeader(Authorization(bearer)): TypedHeader<Authorization<Bearer>>,
) -> Result<Json<User>, Error> {
    let claims: AccessClaims = app.tokens.verify(bearer.token())?;
    if app.cache.exists(format!("revoked:{}", claims.sid)).await? {
        return Err(Error::Unauthorized);
    }
    let user: Option<User> = sqlx::query_as("SELECT id, username, created_at FROM users WHERE id = $1")
        .bind(claims.uid)
        .fetch_optional(&app.database)
        .await?;
    Ok(Json(user.ok_or(Error::Unauthorized)?))
}

async fn start_session(app: &App, user: Uuid) -> Result<SignedIn, Error> {
    let (id, now) = (Uuid::now_v7(), Utc::now());
    sqlx::query(
        "INSERT INTO sessions (id, user_id, generation, rotated_at, grace_generation, grace_until, created_at,
         expires_at, absolute_expires_at, user_agent, ip) VALUES ($1, $2, 0, $3, 0, $3, $3, $4, $4, '', '')",
    )
    .bind(id)
    .bind(user)
    .bind(now)
    .bind(now + SESSION_LIFETIME)
    .execute(&app.database)
    .await?;
    tokens(app, user, id, 0)
}

fn tokens(app: &App, user: Uuid, session: Uuid, generation: i64) -> Result<SignedIn, Error> {
    let access_token = app.tokens.sign(&AccessClaims {
        uid: user,
        sid: session,
        exp: auth::expiry(ACCESS_TOKEN_LIFETIME),
    })?;
    let refresh_token = app.tokens.sign(&RefreshClaims {
        sid: session,
        generation,
        exp: auth::expiry(SESSION_LIFETIME),
    })?;
    let cookie = Cookie::build((COOKIE, refresh_token))
        .http_only(true)
        .same_site(SameSite::Lax)
        .path("/");
    let token_type = "bearer";
    Ok((
        CookieJar::new().add(cookie),
        Json(AccessToken {
            access_token,
            token_type,
        }),
    ))
}
