//! The greeting: the smallest endpoint, and the one to copy for a new one.

use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Tag;
use super::errors::documented_errors;

pub(super) struct HelloApi;

#[derive(Object)]
#[oai(example)]
struct Greeting {
    /// `hello` and a name.
    message: String,
}

impl Example for Greeting {
    fn example() -> Self {
        Self {
            message: "hello Ada".to_owned(),
        }
    }
}

#[derive(ApiResponse)]
enum HelloResponse {
    /// The greeting
    #[oai(status = 200)]
    Greeted(Json<Greeting>),
}

documented_errors! {
    /// Why there is no greeting.
    HelloError { InvalidInput }
}

#[OpenApi(tag = "Tag::Hello")]
impl HelloApi {
    /// Greet somebody
    ///
    /// For a first request: it asks neither database nor cache.
    #[oai(path = "/hello", method = "get", operation_id = "hello")]
    async fn hello(
        &self,
        /// Whom to greet; the world when nobody is named
        #[oai(validator(max_length = 100))]
        name: Query<Option<String>>,
    ) -> Result<HelloResponse, HelloError> {
        let name = name.0.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let message = format!("hello {}", name.unwrap_or("world"));
        Ok(HelloResponse::Greeted(Json(Greeting { message })))
    }
}
