//! A client as a frontend would write one: it keeps the access token and the refresh cookie that it was given.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The password of every test account.
pub(crate) const PASSWORD: &str = "correct horse battery";

#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    pub(crate) access_token: Option<String>,
    /// `name=value`, as in a `Cookie` header.
    pub(crate) cookie: Option<String>,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(30))
                .build()
                .unwrap(),
            url: url.to_owned(),
            access_token: None,
            cookie: None,
            headers: Vec::new(),
        }
    }

    /// The same client towards another instance.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    /// The same client on connections of its own, while those that it had are closed with the last clone that has them.
    #[allow(dead_code)] // for the soak
    pub(crate) fn on_new_connections(&self) -> Self {
        self.on_those_of(&Self::new(&self.url))
    }

    /// The same client on the connections of another one.
    #[allow(dead_code)] // for the soak
    pub(crate) fn on_those_of(&self, other: &Self) -> Self {
        Self {
            http: other.http.clone(),
            ..self.clone()
        }
    }

    /// A client of the same server that is not signed in.
    pub(crate) fn on_another_device(&self) -> Self {
        Self {
            access_token: None,
            cookie: None,
            ..self.clone()
        }
    }

    /// A client of the same server that sends this bearer token, or none, and no cookie.
    pub(crate) fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            access_token: token.map(str::to_owned),
            ..self.on_another_device()
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) async fn register(&mut self, username: &str) -> Answer {
        let credentials = json!({"username": username, "password": PASSWORD});
        let answer = self.post("/register", &credentials).await;
        self.keep(answer)
    }

    pub(crate) async fn login(&mut self, username: &str, password: &str) -> Answer {
        let credentials = json!({"username": username, "password": password});
        let answer = self.post("/login", &credentials).await;
        self.keep(answer)
    }

    pub(crate) async fn refresh(&mut self) -> Answer {
        let answer = self.send(Method::POST, "/refresh").await;
        self.keep(answer)
    }

    /// Refreshes with a cookie that was kept from earlier, and keeps nothing of the answer.
    pub(crate) async fn refresh_with(&self, cookie: &str) -> Answer {
        let mut copy = self.clone();
        copy.cookie = Some(cookie.to_owned());
        copy.send(Method::POST, "/refresh").await
    }

    pub(crate) async fn me(&self) -> Answer {
        self.get("/me").await
    }

    pub(crate) async fn sessions(&self) -> Vec<Value> {
        let answer = self.get("/sessions").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().as_array().unwrap().clone()
    }

    pub(crate) async fn end_session(&self, id: &str) -> Answer {
        self.send(Method::DELETE, &format!("/sessions/{id}")).await
    }

    pub(crate) async fn logout(&self) -> Answer {
        self.send(Method::POST, "/logout").await
    }

    pub(crate) async fn logout_all(&self) -> Answer {
        self.send(Method::POST, "/logout-all").await
    }

    #[allow(dead_code)] // for the soak
    pub(crate) async fn logout_others(&self) -> Answer {
        self.send(Method::POST, "/logout-others").await
    }

    pub(crate) async fn change_password(&mut self, current: &str, new: &str) -> Answer {
        let change = json!({"current_password": current, "new_password": new});
        let answer = self.post("/password", &change).await;
        self.keep(answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).await.unwrap()
    }

    /// With a body, if there is one.
    pub(crate) async fn send_json(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_request(method, path, body).await.unwrap()
    }

    /// With a body, if there is one; an error is a connection that failed.
    #[allow(dead_code)] // for the soak
    pub(crate) async fn try_request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Self::answer(request).await
    }

    /// An error is a connection that failed.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Result<Answer, reqwest::Error> {
        Self::answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_bytes(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        Self::answer(request.body(body)).await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        self.try_send(method, path).await.unwrap()
    }

    /// An error is a connection that failed.
    pub(crate) async fn try_send(&self, method: Method, path: &str) -> Result<Answer, reqwest::Error> {
        Self::answer(self.request(method, path)).await
    }

    /// Waits until the server answers anything.
    #[allow(dead_code)] // for the soak
    pub(crate) async fn await_answer(&self) {
        for _ in 0..600 {
            if self.try_send(Method::GET, "/health").await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody answers at {} within 30 s", self.url);
    }

    /// Waits until `GET /ready` answers 200.
    pub(crate) async fn await_ready(&self) {
        for _ in 0..200 {
            if self
                .try_send(Method::GET, "/ready")
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server at {} did not become ready within 10 s", self.url);
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.access_token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request
    }

    async fn answer(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// Keeps the tokens of a successful answer, as a browser does.
    pub(crate) fn keep(&mut self, answer: Answer) -> Answer {
        if answer.status < 300 {
            self.access_token = Some(answer.json()["access_token"].as_str().unwrap().to_owned());
            self.cookie = answer.cookie();
        }
        answer
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The stable name of the error.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The whole `Set-Cookie`.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.headers.get(SET_COOKIE).map(|value| value.to_str().unwrap())
    }

    /// Each whole `Set-Cookie`: that of the session, and that of the device.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    /// `name=value` of the cookie that was set.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.set_cookie()
            .map(|cookie| cookie.split(';').next().unwrap().to_owned())
    }

    /// Checks the challenge of a 401 (RFC 6750, section 3.1): an error is for a token that came and was refused.
    #[allow(dead_code)] // for the soak
    pub(crate) fn assert_challenge_for(&self, code: &str) {
        let challenge = self.header("www-authenticate").unwrap();
        let is_of_refused_token = ["access_token_expired", "invalid_access_token", "session_ended"].contains(&code);
        let expected = if is_of_refused_token {
            "Bearer error=\"invalid_token\""
        } else {
            "Bearer"
        };
        assert_eq!(challenge.split(", ").next(), Some(expected), "{code}");
    }

    /// Checks that this is an error in the one shape that all errors have, and returns its code.
    pub(crate) fn assert_problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        for member in ["type", "title", "detail", "instance", "code"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member} in {problem}"
            );
        }
        self.code()
    }
}
