//! The two ways in which a request proves who makes it: a bearer token and the refresh cookie.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use poem::http::header;
use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use ring::digest;

use super::RequestContext;
use super::State;
use super::cookies::Cookie;
use super::errors::unreadable_cookie;
use crate::auth::{Identity, SignedIn};
use crate::config::{CookieConfig, SameSite};
use crate::problem::{Code, Problem};

/// The names of one cookie of ours.
struct Names {
    /// Where it is secure: browsers accept `__Host-` only with `Secure`, `Path=/` and no `Domain`, so no other host or
    /// plain-text page can set it (R6).
    secure: &'static str,
    /// In development over plain HTTP.
    plain: &'static str,
}

impl Names {
    fn of(&self, config: CookieConfig) -> &'static str {
        if config.secure { self.secure } else { self.plain }
    }
}

const REFRESH_COOKIE: Names = Names {
    secure: "__Host-refresh_token",
    plain: "refresh_token",
};
/// By which a browser is known from which an account was signed in to before.
const DEVICE_COOKIE: Names = Names {
    secure: "__Host-device",
    plain: "device",
};
/// Browsers keep no cookie for longer (RFC 6265bis, section 5.5).
const DEVICE_COOKIE_DAYS: i64 = 400;

/// Who makes the request, also with a one-time password, which other operations refuse until it was changed.
pub(super) struct IdentityOfAnyPassword(pub(super) Identity);

/// Who reads the metrics.
pub(super) enum MetricsReader {
    /// An account.
    Person,
    /// Somebody with METRICS_TOKEN.
    Scraper,
}

/// The refresh tokens that came as cookies, not yet verified.
pub(super) struct RefreshCookie {
    secure: Cookie,
    plain: Cookie,
}

impl State {
    /// The refresh token of the cookie that this server sets; `None` when there is none.
    ///
    /// # Errors
    /// 400 `unreadable_cookie` when there is one that cannot be read: nobody knows whose session it is.
    pub(super) fn refresh_token<'a>(&self, cookies: &'a RefreshCookie) -> Result<Option<&'a str>, Problem> {
        let cookie = if self.cookie.secure {
            &cookies.secure
        } else {
            &cookies.plain
        };
        match cookie {
            Cookie::Missing => Ok(None),
            Cookie::Text(token) => Ok(Some(token)),
            Cookie::Unreadable => Err(unreadable_cookie(REFRESH_COOKIE.of(self.cookie))),
        }
    }

    /// A `Set-Cookie` that hands over a refresh token until `expires_at`.
    pub(super) fn set_cookie(&self, token: &str, expires_at: DateTime<Utc>) -> String {
        let max_age = (expires_at - self.clock.now()).num_seconds().max(0);
        set_cookie(self.cookie, &REFRESH_COOKIE, token, max_age)
    }

    /// A `Set-Cookie` that removes the refresh token.
    pub(super) fn clear_cookie(&self) -> String {
        set_cookie(self.cookie, &REFRESH_COOKIE, "", 0)
    }

    /// Has the response set the cookie by which a device that is new will be known.
    pub(super) fn remember_device(&self, signed_in: &SignedIn, context: &RequestContext) {
        if let Some(token) = &signed_in.device_token {
            let max_age = TimeDelta::days(DEVICE_COOKIE_DAYS).num_seconds();
            context.set_device_cookie(set_cookie(self.cookie, &DEVICE_COOKIE, token, max_age));
        }
    }
}

/// The device's token, not yet verified.
pub(super) fn device_token(request: &Request) -> Option<String> {
    either_cookie(request, &DEVICE_COOKIE)
}

/// The refresh token of the session that the device has, not yet verified.
pub(super) fn refresh_token(request: &Request) -> Option<String> {
    either_cookie(request, &REFRESH_COOKIE)
}

/// Whichever of the two cookies a token is in: it will be verified, and proves the same.
fn either_cookie(request: &Request, names: &Names) -> Option<String> {
    [names.secure, names.plain]
        .iter()
        .find_map(|name| match Cookie::of(request, name) {
            Cookie::Text(token) => Some(token),
            Cookie::Missing | Cookie::Unreadable => None,
        })
}

/// RFC 6265bis; `HttpOnly` keeps the token from scripts, `Path=/` is what `__Host-` asks for.
fn set_cookie(config: CookieConfig, names: &Names, value: &str, max_age: i64) -> String {
    let name = names.of(config);
    let secure = if config.secure { "; Secure" } else { "" };
    let same_site = match config.same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    };
    format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite={same_site}{secure}")
}

fn bearer_token(request: &Request) -> Option<String> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

fn state(request: &Request) -> Result<&State> {
    let state = request.data::<Arc<State>>();
    Ok(state.ok_or_else(Problem::internal)?)
}

/// Who makes `request`, noted in its context for the log.
async fn identify(request: &Request, body: &mut RequestBody) -> Result<Identity> {
    let token = bearer_token(request).ok_or_else(|| Problem::new(Code::AccessTokenMissing))?;
    let identity = state(request)?.auth.authenticate(&token).await;
    let identity = identity.map_err(Problem::from)?;
    let context = <RequestContext as FromRequest>::from_request(request, body).await?;
    context.identify(identity.user_id());
    Ok(identity)
}

async fn identity(request: &Request, body: &mut RequestBody) -> Result<Identity> {
    let identity = identify(request, body).await?;
    if identity.must_change_password() {
        return Err(Problem::new(Code::PasswordChangeRequired).into());
    }
    Ok(identity)
}

async fn identity_of_any_password(request: &Request, body: &mut RequestBody) -> Result<IdentityOfAnyPassword> {
    identify(request, body).await.map(IdentityOfAnyPassword)
}

async fn metrics_reader(request: &Request, body: &mut RequestBody) -> Result<MetricsReader> {
    let token = bearer_token(request).unwrap_or_default();
    // Hashes are compared, so that the time tells nothing about the token.
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec();
    let metrics_token = state(request)?.metrics_token.as_ref();
    if metrics_token.is_some_and(|expected| hash(expected.expose()) == hash(&token)) {
        return Ok(MetricsReader::Scraper);
    }
    identity(request, body).await.map(|_| MetricsReader::Person)
}

/// Makes what a function reads from the bearer token an argument of operations. An operation with such an argument is
/// protected, in the document and in fact: nothing else documents it as such.
macro_rules! read_from_bearer_token {
    ($($reader:ty = $read:ident),+ $(,)?) => {
        $(impl<'a> ApiExtractor<'a> for $reader {
            const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
            type ParamType = ();
            type ParamRawType = ();

            fn register(registry: &mut Registry) {
                registry.create_security_scheme(
                    "bearer",
                    MetaSecurityScheme {
                        description: Some("The access token of `POST /login`, `POST /register` or `POST /refresh`."),
                        scheme: Some("bearer"),
                        bearer_format: Some("JWT"),
                        ..scheme("http")
                    },
                );
            }

            fn security_schemes() -> Vec<&'static str> {
                vec!["bearer"]
            }

            async fn from_request(
                request: &'a Request,
                body: &mut RequestBody,
                _: ExtractParamOptions<()>,
            ) -> Result<Self> {
                $read(request, body).await
            }
        })+
    };
}

read_from_bearer_token! {
    Identity = identity,
    IdentityOfAnyPassword = identity_of_any_password,
    MetricsReader = metrics_reader,
}

impl<'a> ApiExtractor<'a> for RefreshCookie {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme("cookie", MetaSecurityScheme {
            description: Some(
                "The refresh token, which the server sets and rotates. In development over plain HTTP the cookie is \
                 called `refresh_token`.",
            ),
            name: Some(REFRESH_COOKIE.secure),
            key_in: Some("cookie"),
            ..scheme("apiKey")
        });
    }

    fn security_schemes() -> Vec<&'static str> {
        vec!["cookie"]
    }

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        Ok(Self {
            secure: Cookie::of(request, REFRESH_COOKIE.secure),
            plain: Cookie::of(request, REFRESH_COOKIE.plain),
        })
    }
}

fn scheme(ty: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty,
        description: None,
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R6: the prefix, Secure, HttpOnly, SameSite and Path=/.
    #[test]
    fn the_secure_cookie_has_every_attribute_that_keeps_it_ours() {
        let config = CookieConfig {
            secure: true,
            same_site: SameSite::Strict,
        };
        let cookie = "__Host-refresh_token=t; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set_cookie(config, &REFRESH_COOKIE, "t", 60), cookie);
    }
}
