//! Stay signed in, see where, and sign out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use uuid::Uuid;

use super::RequestContext;
use super::errors::documented_errors;
use super::paging::{Cursor, MAX_PAGE};
use super::security::RefreshCookie;
use super::signed_in::{AccessToken, example_time};
use super::{State, Tag};
use crate::auth::{AuthError, Identity, SessionPage, SignedIn};
use crate::problem::{Code, Problem};
use crate::store::session;

pub(super) struct SessionsApi;

/// What was done.
#[derive(Object)]
pub(super) struct Message {
    /// A few words for a person.
    message: String,
}

/// One device on which the account is signed in.
#[derive(Object)]
#[oai(example)]
struct Session {
    /// For `DELETE /sessions/{id}`.
    id: Uuid,
    /// Whether this request was made in it.
    current: bool,
    /// When the user signed in.
    created_at: DateTime<Utc>,
    /// When the session was last renewed.
    last_seen_at: DateTime<Utc>,
    /// When it ends unless it is renewed before.
    expires_at: DateTime<Utc>,
    /// The browser's name for itself.
    user_agent: String,
    /// The address from which the user signed in.
    ip: String,
}

#[derive(ApiResponse)]
enum RefreshResponse {
    /// Renewed; the refresh cookie is replaced
    #[oai(status = 200)]
    Refreshed(
        Json<AccessToken>,
        /// The next refresh token
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
pub(super) enum LogoutResponse {
    /// Signed out, or was not signed in
    #[oai(status = 200)]
    LoggedOut(
        Json<Message>,
        /// Removes the refresh token
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
enum SessionsResponse {
    /// Live sessions, newest first
    #[oai(status = 200)]
    Sessions(
        Json<Vec<Session>>,
        /// Where the next page is, unless this is the last one: `<?limit=100&cursor=…>; rel="next"` (RFC 8288)
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum EndSessionResponse {
    /// Ended
    #[oai(status = 200)]
    Ended(Json<Message>),
}

documented_errors! {
    /// Why a session was not renewed.
    RefreshError { RefreshCookieMissing, SessionEnded, RefreshTokenReused, RateLimited }
}

documented_errors! {
    /// Why nobody was signed out.
    LogoutError { UnreadableCookie }
}

documented_errors! {
    /// Why the sessions are not listed.
    SessionsError { InvalidInput }
}

documented_errors! {
    /// Why the sessions were not ended.
    LogoutAllError {}
}

documented_errors! {
    /// Why the other sessions were not ended.
    LogoutOthersError {}
}

documented_errors! {
    /// Why the session was not ended.
    EndSessionError { NoSuchSession, InvalidInput }
}

#[OpenApi(tag = "Tag::Sessions")]
impl SessionsApi {
    /// Renew the access token
    ///
    /// Replaces the refresh cookie. Tabs that send the same cookie at the same moment all succeed; a cookie that was
    /// replaced more than 30 seconds ago ends the session, because somebody holds a copy of it. An error never
    /// removes the cookie.
    #[oai(path = "/refresh", method = "post", operation_id = "refresh")]
    async fn refresh(
        &self,
        state: Data<&Arc<State>>,
        cookie: RefreshCookie,
        context: RequestContext,
    ) -> Result<RefreshResponse, RefreshError> {
        // One that cannot be read renews no more than one of another server.
        let token = state.refresh_token(&cookie).unwrap_or(Some(""));
        let refreshed = state.auth.refresh(token, context.client_address()).await;
        let signed_in = match refreshed {
            Err(AuthError::InvalidRefreshToken) if token.is_none() => {
                return Err(Problem::new(Code::RefreshCookieMissing).into());
            }
            refreshed => refreshed?,
        };
        context.identify(signed_in.user.id);
        let cookie = state.cookie_for(&signed_in);
        Ok(RefreshResponse::Refreshed(Json(signed_in.into()), cookie))
    }

    /// Sign out
    ///
    /// Ends the session of the refresh cookie. Works with an expired access token, and twice.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, state: Data<&Arc<State>>, cookie: RefreshCookie) -> Result<LogoutResponse, LogoutError> {
        state.auth.logout(state.refresh_token(&cookie)?).await?;
        Ok(LogoutResponse::LoggedOut(
            Json(Message::new("logged out")),
            state.clear_cookie(),
        ))
    }

    /// Where the account is signed in
    ///
    /// The newest session first. What was ended or has begun meanwhile moves nothing from one page to another. An account
    /// has 100 live sessions at most, unless the server is set up otherwise: a sign-in beyond that ends the oldest one.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn list(
        &self,
        state: Data<&Arc<State>>,
        identity: Identity,
        /// How many at most
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u64>,
        /// Where to go on, from the `Link` of the page before
        cursor: Query<Option<Cursor>>,
    ) -> Result<SessionsResponse, SessionsError> {
        let before = cursor.0.map(|cursor| cursor.0);
        let SessionPage { sessions, next } = state.auth.sessions(&identity, before, limit.0).await?;
        let sessions = sessions.into_iter().map(|session| Session::new(session, &identity));
        let next = next.map(|last| Cursor(last).next_page(limit.0));
        Ok(SessionsResponse::Sessions(Json(sessions.collect()), next))
    }

    /// Sign out on one device
    ///
    /// Its access token is refused from now on, and its refresh cookie renews nothing.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end(
        &self,
        state: Data<&Arc<State>>,
        identity: Identity,
        /// A session of `GET /sessions`
        id: Path<Uuid>,
    ) -> Result<EndSessionResponse, EndSessionError> {
        state.auth.end_session(&identity, id.0).await?;
        Ok(EndSessionResponse::Ended(Json(Message::new("session ended"))))
    }

    /// Sign out everywhere else
    ///
    /// Ends every session of the account but the one of this request, and can be repeated. Copies of this session's own
    /// tokens stay good: if somebody may have one, change the password or sign out everywhere.
    #[oai(path = "/logout-others", method = "post", operation_id = "logoutOthers")]
    async fn logout_others(
        &self,
        state: Data<&Arc<State>>,
        identity: Identity,
    ) -> Result<EndSessionResponse, LogoutOthersError> {
        state.auth.logout_others(&identity).await?;
        Ok(EndSessionResponse::Ended(Json(Message::new(
            "logged out everywhere else",
        ))))
    }

    /// Sign out everywhere
    ///
    /// Ends every session of the account at once, however many there are, and can be repeated.
    #[oai(path = "/logout-all", method = "post", operation_id = "logoutAll")]
    async fn logout_all(&self, state: Data<&Arc<State>>, identity: Identity) -> Result<LogoutResponse, LogoutAllError> {
        state.auth.logout_all(&identity).await?;
        Ok(LogoutResponse::LoggedOut(
            Json(Message::new("logged out everywhere")),
            state.clear_cookie(),
        ))
    }
}

const fn default_limit() -> u64 {
    MAX_PAGE
}

impl State {
    /// The `Set-Cookie` for a session that was made or renewed.
    pub(super) fn cookie_for(&self, signed_in: &SignedIn) -> String {
        self.set_cookie(&signed_in.refresh_token, signed_in.session.expires_at)
    }
}

impl Message {
    pub(super) fn new(message: &str) -> Self {
        Self {
            message: message.to_owned(),
        }
    }
}

impl Session {
    fn new(session: session::Model, identity: &Identity) -> Self {
        Self {
            current: session.id == identity.session_id(),
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.rotated_at,
            expires_at: session.expires_at,
            user_agent: session.user_agent,
            ip: session.ip,
        }
    }
}

impl Example for Session {
    fn example() -> Self {
        Self {
            id: Uuid::from_u128(0x0193_5c2a_7d70_7b11_8a40_1c9f_63d2_0b5e),
            current: true,
            created_at: example_time(0),
            last_seen_at: example_time(600),
            expires_at: example_time(600 + 14 * 24 * 3600),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_owned(),
            ip: "203.0.113.5".to_owned(),
        }
    }
}
