//! What is known about a request besides what it says itself.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use poem::{FromRequest, Request, RequestBody, Result};
use uuid::Uuid;

use super::security::{device_token, refresh_token};
use crate::auth::Device;
use crate::problem::Problem;

/// The context of one request, made before the handlers run and read by them.
#[derive(Clone, Debug)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client_address: Option<IpAddr>,
    user_id: OnceLock<Uuid>,
    device_cookie: OnceLock<String>,
}

impl RequestContext {
    pub(crate) fn new(client_address: Option<IpAddr>) -> Self {
        Self(Arc::new(Inner {
            client_address,
            user_id: OnceLock::new(),
            device_cookie: OnceLock::new(),
        }))
    }

    /// The client's address, as far as trusted proxies tell it.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.0.client_address
    }

    /// Notes who makes the request, for the log.
    pub fn identify(&self, user_id: Uuid) {
        // The first to be noted is the one whose token was verified.
        let _ = self.0.user_id.set(user_id);
    }

    /// Has the response set this cookie besides its own.
    pub(super) fn set_device_cookie(&self, cookie: String) {
        let _ = self.0.device_cookie.set(cookie);
    }

    /// The `Set-Cookie` by which the device will be known.
    pub(crate) fn device_cookie(&self) -> Option<&str> {
        self.0.device_cookie.get().map(String::as_str)
    }

    pub(crate) fn user_id(&self) -> Option<Uuid> {
        self.0.user_id.get().copied()
    }
}

impl<'a> FromRequest<'a> for RequestContext {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        let context = request.extensions().get::<Self>().cloned();
        context.ok_or_else(|| Problem::internal().into())
    }
}

impl<'a> FromRequest<'a> for Device {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let context = RequestContext::from_request(request, body).await?;
        let user_agent = request.headers().get("user-agent");
        Ok(Self {
            address: context.client_address(),
            user_agent: user_agent
                .map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned())
                .unwrap_or_default(),
            token: device_token(request),
            refresh_token: refresh_token(request),
        })
    }
}
