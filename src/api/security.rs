//! The two ways in which a request proves who makes it: a bearer token and the refresh cookie.

use chrono::{DateTime, TimeDelta, Utc};
use poem::http::header;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use super::RequestContext;
use super::State;
use super::cookies::Cookie;
use super::errors::{invalid_access_token, unreadable_cookie};
use crate::auth::{AuthError, Identity, SignedIn};
use crate::config::{CookieConfig, SameSite};
use crate::problem::Problem;

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

/// The token of an `Authorization: Bearer` header, not yet verified.
pub(super) struct BearerToken(String);

/// The refresh tokens that came as cookies, not yet verified.
pub(super) struct RefreshCookie {
    secure: Cookie,
    plain: Cookie,
}

impl State {
    /// Who makes the request, noted in its context for the log.
    pub(super) async fn identify(&self, token: &BearerToken, context: &RequestContext) -> Result<Identity, AuthError> {
        let identity = self.auth.authenticate(&token.0).await?;
        context.identify(identity.user_id);
        Ok(identity)
    }

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

/// The device's token, whichever of the two cookies it is in: it is verified, and proves the same.
pub(super) fn device_token(request: &Request) -> Option<String> {
    [DEVICE_COOKIE.secure, DEVICE_COOKIE.plain]
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
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

impl<'a> ApiExtractor<'a> for BearerToken {
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

    async fn from_request(request: &'a Request, _: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        Ok(Self(bearer_token(request).ok_or_else(invalid_access_token)?))
    }
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
