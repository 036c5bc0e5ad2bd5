//! Every error that a client can see, in one list: the enum of the OpenAPI document, the statuses, docs/ERRORS.md and the
//! examples of the document come from here.

use poem::http::StatusCode;
use poem_openapi::Enum;
use serde::{Deserialize, Serialize};

/// Declares the codes in the order of docs/ERRORS.md. In each row: the statuses, of which the server uses the first and nginx
/// in front of it the others; the `detail`, which stands for an example where it depends on the request; when it happens; and
/// what a client does then.
macro_rules! codes {
    ($($code:ident = $name:literal, [$($status:literal),+], $detail:literal, $when:literal, $client:literal;)+) => {
        /// A stable name for client code to branch on. docs/ERRORS.md says of each when it happens and what a client does.
        /// Later versions may add some: treat one that you do not know by its status.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, Serialize, Deserialize)]
        #[oai(rename_all = "snake_case", rename = "ErrorCode")]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $when] $code),+
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// As it stands in a problem.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The HTTP statuses with which it comes.
            pub const fn statuses(self) -> &'static [u16] {
                match self { $(Self::$code => &[$($status),+]),+ }
            }

            /// What went wrong, for a person; an example where it depends on the request.
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$code => $detail),+ }
            }

            /// When it happens.
            pub const fn when(self) -> &'static str {
                match self { $(Self::$code => $when),+ }
            }

            /// What a client does then.
            pub const fn client(self) -> &'static str {
                match self { $(Self::$code => $client),+ }
            }
        }
    };
}

codes! {
    InvalidInput = "invalid_input", [422],
        "password: must be 8 to 128 characters.",
        "A field or a parameter is missing, unknown or breaks its rule",
        "Show each entry of `errors` at the field that it names.";
    UsernameTaken = "username_taken", [409],
        "This username is taken. Choose another one.",
        "Somebody has this name already, in whatever case of its letters",
        "Ask for another name.";
    UsernameReserved = "username_reserved", [422],
        "username: this name is reserved. Choose another one.",
        "Others would take this name for the operator's",
        "Ask for another name.";
    PasswordEasilyGuessed = "password_easily_guessed", [422],
        "password: this one is among the first that are guessed, since it is common or made of a name, a date or a row of keys. \
         Choose another one, such as four words that have nothing to do with one another.",
        "The new password is among the first that are guessed",
        "Ask for another password; `errors` names the field.";
    RegistrationClosed = "registration_closed", [403],
        "Nobody can register here. Ask whoever runs this service for an account.",
        "The server runs with REGISTRATION=closed",
        "Hide the way to register.";
    InvalidCredentials = "invalid_credentials", [401],
        "The username or the password is wrong.",
        "No account has this name and password; which of the two is wrong is not said",
        "Let the person try again. Refreshing does not help.";
    AccountDisabled = "account_disabled", [403],
        "This account is disabled. Ask whoever runs this service.",
        "The password is right, and an operator has disabled the account",
        "Show `detail`.";
    WrongPassword = "wrong_password", [403],
        "The current password is wrong.",
        "The current password, which the request has to repeat, is wrong",
        "Let the person type it again. Who is signed in stays signed in.";
    PasswordChangeRequired = "password_change_required", [403],
        "This password was made for one sign-in. Choose one of your own with POST /password.",
        "An operator made the password for one sign-in, and it was not changed yet",
        "Ask for a new password, send `POST /password`, then repeat the request.";
    AccessTokenMissing = "access_token_missing", [401],
        "There is no access token. Send `Authorization: Bearer` with the access_token of POST /login or POST /refresh.",
        "The request has no bearer token",
        "Send the access token. After a page load there is none yet: `POST /refresh` first.";
    AccessTokenExpired = "access_token_expired", [401],
        "The access token has expired. Renew it with POST /refresh.",
        "The access token is older than its `expires_in`",
        "`POST /refresh` once, then repeat the request with the new token.";
    InvalidAccessToken = "invalid_access_token", [401],
        "The access token is not one of this server. Renew it with POST /refresh, or sign in.",
        "The bearer token is damaged, from another server, or signed with a secret that was replaced",
        "`POST /refresh` once, then repeat the request; if that is refused, sign in.";
    SessionEnded = "session_ended", [401],
        "The session has ended. Sign in again.",
        "The session was signed out, replaced or not used for too long",
        "From `POST /refresh`: signed out, show the sign-in. From elsewhere: `POST /refresh` once, because another tab may have \
         signed in again.";
    RefreshCookieMissing = "refresh_cookie_missing", [401],
        "There is no refresh cookie: nobody is signed in, or the browser did not send it. From another origin each request needs \
         `credentials: \"include\"`, and page and API must be of one site (localhost and 127.0.0.1 are two).",
        "`POST /refresh` came without the cookie: nobody has signed in, the request has no `credentials: \"include\"`, or the browser \
         keeps the cookie from pages of another site",
        "Show the sign-in. If somebody has just signed in, see \"CORS and cookies\" in API.md.";
    RefreshTokenReused = "refresh_token_reused", [401],
        "This refresh token was used before, so the session was ended for safety. Sign in again.",
        "A copy of an older refresh token was used, so the session was ended for whoever has it",
        "Signed out: show the sign-in.";
    UnreadableCookie = "unreadable_cookie", [400],
        "The cookie refresh_token cannot be read, so nothing was done. Delete it, and sign in again if need be.",
        "`POST /logout` came with a refresh cookie that this server cannot have set",
        "Ask the person to delete the cookies of this site.";
    CrossOriginRequest = "cross_origin_request", [403],
        "This origin may not call the API from a browser. Its operator can add it to ALLOWED_ORIGINS.",
        "A page of an origin that is not in ALLOWED_ORIGINS wants to change something",
        "Nothing at run time: add the origin to ALLOWED_ORIGINS.";
    NoSuchSession = "no_such_session", [404],
        "You have no live session with this id.",
        "The account has no live session with this id",
        "Take it off the list: it has ended.";
    MetricsTokenRequired = "metrics_token_required", [403],
        "The text takes METRICS_TOKEN as the bearer token. An account gets the totals: ask for application/json.",
        "An account asks for the text of all metrics, which is for scrapers",
        "Send `Accept: application/json`.";
    RateLimited = "rate_limited", [429],
        "Too many attempts. Try again in 42 seconds.",
        "There were too many attempts or requests from this address or for this account",
        "Wait for the seconds of `Retry-After`, then try again.";
    Busy = "busy", [503],
        "Too many requests wait for the database at the moment. Try again a little later.",
        "More requests wait for a password hash or the database than can be served soon",
        "Wait for the seconds of `Retry-After`, then try again.";
    DatabaseUnavailable = "database_unavailable", [503],
        "The database does not answer at the moment. Try again a little later.",
        "The database does not answer",
        "Wait for the seconds of `Retry-After`, then try again. Nobody is signed out by this.";
    DeadlineExceeded = "deadline_exceeded", [503, 504],
        "The request took too long and was given up. Try again a little later.",
        "The request took more than ten seconds",
        "Look whether it was done, then try again.";
    NotReady = "not_ready", [503],
        "database: ok, cache: unavailable",
        "`GET /ready`: a dependency does not answer",
        "For probes: `errors` names the dependency.";
    Starting = "starting", [503],
        "This instance is starting: it waits for the database, or brings its schema up to date. Try again a little later.",
        "The instance waits for the database or migrates it",
        "Wait for the seconds of `Retry-After`, then try again.";
    Draining = "draining", [503],
        "This instance is shutting down. Send requests to another one.",
        "`GET /health` and `GET /ready`: the instance is shutting down and still serves what comes",
        "For load balancers: send requests to another instance.";
    ServerUnavailable = "server_unavailable", [502, 503],
        "The server does not answer at the moment. Try again a little later.",
        "nginx is there and the server behind it is not",
        "Wait for the seconds of `Retry-After`, then try again.";
    InternalError = "internal_error", [500],
        "The server failed to handle this request. Quote the request_id when you report it.",
        "A fault of the server",
        "Show `detail` with the `request_id`. Do not repeat it in a loop.";
    NotFound = "not_found", [404],
        "There is nothing at this path. The API is described at /docs.",
        "No operation has this path",
        "A fault of the client: compare the path with the document.";
    MethodNotAllowed = "method_not_allowed", [405],
        "This path answers to GET, HEAD, OPTIONS.",
        "The path has no such method; `Allow` lists those that it has",
        "A fault of the client: compare the method with the document.";
    MalformedJson = "malformed_json", [400],
        "The body is not valid JSON: EOF while parsing a value at line 1 column 0.",
        "The body is not JSON",
        "A fault of the client: send the result of `JSON.stringify`.";
    UnsupportedMediaType = "unsupported_media_type", [415],
        "The body must be JSON: send it with Content-Type: application/json.",
        "The body is not declared as JSON",
        "A fault of the client: send `Content-Type: application/json`.";
    BodyTooLarge = "body_too_large", [413],
        "The body may have 64 KiB at most.",
        "The body is too large",
        "Send less: a fault of the client, or a text that is far too long.";
    BadRequest = "bad_request", [400],
        "The request must have one Host header, which names a host and perhaps a port.",
        "The request is not one that HTTP/1.1 allows, such as one without a Host header",
        "A fault of the client or of a proxy.";
    ClientError = "client_error", [400, 402, 403, 404, 406, 408, 409, 410, 412, 416, 417, 422, 428],
        "failed to parse multipart",
        "A handler or the framework refused the request, and has no code of its own for it",
        "A fault of the client, by its status; `detail` says which.";
    UriTooLong = "uri_too_long", [414],
        "The path and query may have 8,000 bytes at most.",
        "Path and query are too long",
        "A fault of the client.";
    HeadersTooLarge = "headers_too_large", [431],
        "The headers may have 16 KiB together at most.",
        "The headers are too large, most often because of cookies",
        "Delete cookies of this site.";
    NotImplemented = "not_implemented", [501],
        "This transfer coding is not supported. Send the body with a Content-Length, or chunked.",
        "The body comes in a transfer coding other than chunked",
        "A fault of the client.";
    HttpVersionNotSupported = "http_version_not_supported", [505],
        "Use HTTP/1.1.",
        "The request is of an HTTP version that is not served",
        "A fault of the client.";
}

impl Code {
    /// Those of a protected operation whose bearer token is not accepted.
    pub const OF_BEARER: &[Self] = &[
        Self::AccessTokenMissing,
        Self::AccessTokenExpired,
        Self::InvalidAccessToken,
        Self::SessionEnded,
    ];

    /// The HTTP status with which the server sends it.
    pub fn status(self) -> StatusCode {
        let status = self.statuses().first().copied().unwrap_or_default();
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Whether a token came with the request and was refused (RFC 6750, section 3.1: `invalid_token`).
    pub(super) fn is_of_refused_token(self) -> bool {
        Self::OF_BEARER.contains(&self) && self != Self::AccessTokenMissing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_code_is_spelled_the_same_everywhere_and_only_once() {
        let mut names = HashSet::new();
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(poem_openapi::types::ToJSON::to_json(code).unwrap(), code.as_str());
            assert!(names.insert(code.as_str()), "{code:?}");
        }
    }

    #[test]
    fn every_status_is_one_of_an_error() {
        for code in Code::ALL {
            assert!(
                code.statuses().iter().all(|status| (400..600).contains(status)),
                "{code:?}"
            );
            assert_eq!(code.status().as_u16(), code.statuses()[0]);
        }
    }
}
