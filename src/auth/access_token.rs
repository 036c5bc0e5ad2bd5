//! Access tokens: short-lived JWTs (RFC 7519, RFC 9068) that name the account and its session.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AuthError, Identity, jwt_crypto};
use crate::config::TokenConfig;
use crate::store::{session, user};

/// How long an access token is valid, and so the longest that one can outlive its session while the cache is down.
/// R9 asks for 15 minutes at most.
pub const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// The `typ` header (RFC 9068): no other JWT signed with the same key passes for an access token.
const TYPE: &str = "at+jwt";

/// How long a token is valid that is made now for `session`, which it does not outlive.
pub(super) fn expires_in(session: &session::Model, now: DateTime<Utc>) -> TimeDelta {
    ACCESS_TOKEN_LIFETIME.min(session.expires_at - now)
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    uid: Uuid,
    sid: Uuid,
    iss: String,
    aud: String,
    jti: Uuid,
    iat: i64,
    exp: i64,
    /// Nothing else can be done until the password, which somebody else has chosen, was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    password_change_required: bool,
}

/// Issues and verifies access tokens.
#[derive(Clone)]
pub(super) struct AccessTokens {
    signing_key: EncodingKey,
    accepted_keys: Vec<DecodingKey>,
    header: Header,
    validation: Validation,
    issuer: String,
    audience: String,
}

impl AccessTokens {
    pub(super) fn new(config: &TokenConfig) -> Self {
        jwt_crypto::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Checked against our own clock in `verify`.
        validation.validate_exp = false;
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let accepted = config.accepted().map(|secret| secret.expose().as_bytes());
        Self {
            signing_key: EncodingKey::from_secret(config.signing.expose().as_bytes()),
            accepted_keys: accepted.map(DecodingKey::from_secret).collect(),
            header,
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// A token for `session`.
    pub(super) fn issue(&self, user: &user::Model, session: &session::Model, now: DateTime<Utc>) -> String {
        let expires_at = now + expires_in(session, now);
        let claims = Claims {
            sub: user.username.clone(),
            uid: user.id,
            sid: session.id,
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            jti: Uuid::now_v7(),
            iat: now.timestamp(),
            exp: expires_at.timestamp(),
            password_change_required: user.password_expires_at.is_some(),
        };
        #[expect(
            clippy::expect_used,
            reason = "an empty token must not be handed out as if it were one"
        )]
        encode(&self.header, &claims, &self.signing_key).expect("the key is of the header's algorithm: see `new`")
    }

    /// Whom `token` names.
    ///
    /// # Errors
    /// [`AuthError::InvalidAccessToken`] when it is not ours; [`AuthError::ExpiredAccessToken`].
    pub(super) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Identity, AuthError> {
        let verified = |key| decode::<Claims>(token, key, &self.validation).ok();
        let token = self.accepted_keys.iter().find_map(verified);
        let token = token.filter(|token| token.header.typ.as_deref() == Some(TYPE));
        let claims = token.ok_or(AuthError::InvalidAccessToken)?.claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(AuthError::InvalidAccessToken)?;
        if expires_at <= now {
            return Err(AuthError::ExpiredAccessToken);
        }
        Ok(Identity {
            user_id: claims.uid,
            session_id: claims.sid,
            must_change_password: claims.password_change_required,
        })
    }
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessTokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const SECRET: &str = "the current one";
    const OTHER: &str = "another one";

    fn tokens(secrets: &[&str], issuer: &str, audience: &str) -> AccessTokens {
        AccessTokens::new(&TokenConfig {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            ..TokenConfig::for_tests(secrets)
        })
    }

    fn issue(tokens: &AccessTokens) -> (String, DateTime<Utc>, Identity) {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let user = user::Model {
            id: Uuid::now_v7(),
            username: "Ada".to_owned(),
            username_key: "ada".to_owned(),
            password_hash: String::new(),
            created_at: now,
            sessions_ended_through: None,
            sessions_ended_at: None,
            password_expires_at: None,
            disabled_at: None,
            deleted_at: None,
        };
        let session = session::Model {
            id: Uuid::now_v7(),
            user_id: user.id,
            generation: 0,
            rotated_at: now,
            grace_generation: 0,
            grace_until: now,
            created_at: now,
            expires_at: now + TimeDelta::days(1),
            absolute_expires_at: now + TimeDelta::days(1),
            revoked_at: None,
            user_agent: String::new(),
            ip: String::new(),
            refresh_verifier: None,
        };
        let identity = Identity {
            user_id: user.id,
            session_id: session.id,
            must_change_password: false,
        };
        (tokens.issue(&user, &session, now), now, identity)
    }

    fn assert_is_not_ours(verified: &Result<Identity, AuthError>) {
        assert!(matches!(verified, Err(AuthError::InvalidAccessToken)), "{verified:?}");
    }

    fn part(json: &serde_json::Value) -> String {
        URL_SAFE_NO_PAD.encode(json.to_string())
    }

    /// R9: the token ends in time and within 15 minutes.
    #[test]
    fn a_token_is_valid_until_its_expiry_and_no_longer() {
        let tokens = tokens(&[SECRET], "slipway", "api");
        let (token, now, identity) = issue(&tokens);
        assert!(ACCESS_TOKEN_LIFETIME <= TimeDelta::minutes(15));
        assert_eq!(tokens.verify(&token, now + TimeDelta::seconds(599)).unwrap(), identity);
        let late = tokens.verify(&token, now + ACCESS_TOKEN_LIFETIME);
        assert!(matches!(late, Err(AuthError::ExpiredAccessToken)), "{late:?}");
    }

    /// R9: issuer, audience and type are checked.
    #[test]
    fn a_token_of_another_issuer_audience_or_type_is_refused() {
        let ours = tokens(&[SECRET], "slipway", "api");
        for theirs in [tokens(&[SECRET], "other", "api"), tokens(&[SECRET], "slipway", "other")] {
            let (token, now, _) = issue(&theirs);
            assert_is_not_ours(&ours.verify(&token, now));
        }
        let mut untyped = ours.clone();
        untyped.header.typ = Some("JWT".to_owned());
        let (token, now, _) = issue(&untyped);
        assert_is_not_ours(&ours.verify(&token, now));
    }

    /// R9: `alg=none`, another algorithm and another key are refused.
    #[test]
    fn a_token_with_another_algorithm_or_key_is_refused() {
        let ours = tokens(&[SECRET], "slipway", "api");
        let (token, now, _) = issue(&tokens(&[OTHER], "slipway", "api"));
        assert_is_not_ours(&ours.verify(&token, now));
        let (token, now, _) = issue(&ours);
        let mut parts = token.split('.').skip(1);
        let (claims, signature) = (parts.next().unwrap(), parts.next().unwrap());
        for algorithm in ["none", "HS512", "RS256"] {
            let header = part(&serde_json::json!({"alg": algorithm, "typ": TYPE}));
            for signature in ["", signature] {
                assert_is_not_ours(&ours.verify(&format!("{header}.{claims}.{signature}"), now));
            }
        }
    }

    #[test]
    fn a_token_of_the_previous_secret_is_accepted_and_new_ones_use_the_current() {
        let before = tokens(&[OTHER], "slipway", "api");
        let after = tokens(&[SECRET, OTHER], "slipway", "api");
        let (old, now, identity) = issue(&before);
        assert_eq!(after.verify(&old, now).unwrap(), identity);
        let (new, now, _) = issue(&after);
        assert_is_not_ours(&before.verify(&new, now));
    }
}
