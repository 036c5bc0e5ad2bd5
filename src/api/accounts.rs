//! Register, sign in, who is signed in, change the password.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;

use super::RequestContext;
use super::errors::documented_errors;
use super::input::JsonBody;
use super::security::IdentityOfAnyPassword;
use super::sessions::{LogoutResponse, Message};
use super::signed_in::{AccessToken, TokenType, User};
use super::{State, Tag};
use crate::auth::{Device, Identity, Password, TypedPassword, Username};
use crate::problem::{Code, Problem};

pub(super) struct AccountsApi;

/// A name and a password.
#[derive(Deserialize, Object)]
#[oai(write_only_all, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: Username,
    password: Password,
}

/// The name and the password of an account.
#[derive(Deserialize, Object)]
#[oai(write_only_all, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// Case does not matter
    username: String,
    password: TypedPassword,
}

/// The present password and the one to replace it.
#[derive(Deserialize, Object)]
#[oai(write_only_all, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    current_password: TypedPassword,
    new_password: Password,
}

/// The password of the account that is to be deleted.
#[derive(Deserialize, Object)]
#[oai(write_only_all, deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct Deletion {
    password: TypedPassword,
}

/// A new account, signed in.
#[derive(Object)]
#[oai(example)]
struct Registered {
    /// `registered`
    message: String,
    /// The name as it was registered.
    username: String,
    /// A JWT for the `Authorization` header.
    access_token: String,
    token_type: TokenType,
    /// Seconds for which the access token is valid.
    expires_in: i64,
    user: User,
}

/// A new password, and the session that takes the place of all others.
#[derive(Object)]
#[oai(example)]
struct PasswordChanged {
    /// `password changed`
    message: String,
    /// A JWT for the `Authorization` header; the one of before is not valid any more.
    access_token: String,
    token_type: TokenType,
    /// Seconds for which the access token is valid.
    expires_in: i64,
    user: User,
}

#[derive(ApiResponse)]
enum RegisterResponse {
    /// Registered and signed in
    #[oai(status = 201)]
    Registered(
        Json<Registered>,
        /// The refresh token
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
enum LoginResponse {
    /// Signed in
    #[oai(status = 200)]
    SignedIn(
        Json<AccessToken>,
        /// The refresh token
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

#[derive(ApiResponse)]
enum MeResponse {
    /// The signed-in account
    #[oai(status = 200)]
    Me(Json<User>),
}

#[derive(ApiResponse)]
enum PasswordResponse {
    /// Changed; all sessions were ended, and a new one begun
    #[oai(status = 200)]
    Changed(
        Json<PasswordChanged>,
        /// The refresh token of the new session
        #[oai(header = "Set-Cookie")]
        String,
    ),
}

documented_errors! {
    /// Why nobody was registered.
    RegisterError { RegistrationClosed, UsernameTaken, UsernameReserved, PasswordEasilyGuessed, RateLimited }
}

documented_errors! {
    /// Why nobody was signed in.
    LoginError { InvalidCredentials, AccountDisabled, RateLimited }
}

documented_errors! {
    /// Why it is not known who is signed in.
    MeError {}
}

documented_errors! {
    /// Why the account was not deleted.
    DeletionError { WrongPassword, RateLimited }
}

documented_errors! {
    /// Why the password was not changed.
    PasswordError { WrongPassword, PasswordEasilyGuessed, RateLimited }
}

#[OpenApi(tag = "Tag::Accounts")]
impl AccountsApi {
    /// Register
    ///
    /// Adds an account and signs it in.
    #[oai(path = "/register", method = "post", operation_id = "register")]
    async fn register(
        &self,
        state: Data<&Arc<State>>,
        body: JsonBody<Credentials>,
        device: Device,
        context: RequestContext,
    ) -> Result<RegisterResponse, RegisterError> {
        if !state.offers.registration {
            return Err(Problem::new(Code::RegistrationClosed).into());
        }
        let Credentials { username, password } = body.0;
        let signed_in = state.auth.register(&username, &password, &device).await?;
        context.identify(signed_in.user.id);
        state.remember_device(&signed_in, &context);
        let cookie = state.cookie_for(&signed_in);
        Ok(RegisterResponse::Registered(
            Json(AccessToken::from(signed_in).into()),
            cookie,
        ))
    }

    /// Sign in
    ///
    /// Also sets the cookie `__Host-device`, by which the browser is known at the next sign-in: nobody else's wrong guesses
    /// keep it out. It signs nobody in.
    #[oai(path = "/login", method = "post", operation_id = "login")]
    async fn login(
        &self,
        state: Data<&Arc<State>>,
        body: JsonBody<SignIn>,
        device: Device,
        context: RequestContext,
    ) -> Result<LoginResponse, LoginError> {
        let SignIn { username, password } = body.0;
        let signed_in = state.auth.login(&username, &password, &device).await?;
        context.identify(signed_in.user.id);
        state.remember_device(&signed_in, &context);
        let cookie = state.cookie_for(&signed_in);
        Ok(LoginResponse::SignedIn(Json(signed_in.into()), cookie))
    }

    /// Who is signed in
    ///
    /// Also tells whether an access token is still good.
    #[oai(path = "/me", method = "get", operation_id = "me")]
    async fn me(
        &self,
        state: Data<&Arc<State>>,
        IdentityOfAnyPassword(identity): IdentityOfAnyPassword,
    ) -> Result<MeResponse, MeError> {
        let user = state.auth.user(&identity).await?;
        Ok(MeResponse::Me(Json(User {
            id: user.id,
            username: user.username,
            created_at: user.created_at,
            session_id: identity.session_id(),
        })))
    }

    /// Change the password
    ///
    /// Ends all sessions of the account, this one included, and begins a new one: use the access token and the cookie of
    /// the answer from now on. Whoever holds a copy of the earlier ones is signed out. If the answer is lost, sign in with
    /// the new password.
    #[oai(path = "/password", method = "post", operation_id = "changePassword")]
    async fn change_password(
        &self,
        state: Data<&Arc<State>>,
        IdentityOfAnyPassword(identity): IdentityOfAnyPassword,
        body: JsonBody<PasswordChange>,
        device: Device,
    ) -> Result<PasswordResponse, PasswordError> {
        let change = body.0;
        let (current, new) = (&change.current_password, &change.new_password);
        let signed_in = state.auth.change_password(&identity, current, new, &device).await?;
        let cookie = state.cookie_for(&signed_in);
        Ok(PasswordResponse::Changed(
            Json(AccessToken::from(signed_in).into()),
            cookie,
        ))
    }

    /// Delete the account
    ///
    /// With all its sessions, for good. The name is free at once.
    #[oai(path = "/me", method = "delete", operation_id = "deleteMe")]
    async fn delete(
        &self,
        state: Data<&Arc<State>>,
        identity: Identity,
        body: JsonBody<Deletion>,
        device: Device,
    ) -> Result<LogoutResponse, DeletionError> {
        state
            .auth
            .delete_own_account(&identity, &body.0.password, &device)
            .await?;
        Ok(LogoutResponse::LoggedOut(
            Json(Message::new("account deleted")),
            state.clear_cookie(),
        ))
    }
}

impl From<AccessToken> for Registered {
    fn from(token: AccessToken) -> Self {
        Self {
            message: "registered".to_owned(),
            username: token.user.username.clone(),
            access_token: token.access_token,
            token_type: token.token_type,
            expires_in: token.expires_in,
            user: token.user,
        }
    }
}

impl From<AccessToken> for PasswordChanged {
    fn from(token: AccessToken) -> Self {
        Self {
            message: "password changed".to_owned(),
            access_token: token.access_token,
            token_type: token.token_type,
            expires_in: token.expires_in,
            user: token.user,
        }
    }
}

impl Example for Registered {
    fn example() -> Self {
        AccessToken::example().into()
    }
}

impl Example for PasswordChanged {
    fn example() -> Self {
        AccessToken::example().into()
    }
}
