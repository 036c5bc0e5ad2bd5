//! Request bodies: JSON into types that cannot be wrong, with errors that name the field.

use std::borrow::Cow;

use poem::error::ReadBodyError;
use poem::{Request, RequestBody, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wrong_fields::wrong_fields;
use crate::auth::{Password, TypedPassword, Username};
use crate::problem::{Code, Problem};

/// The largest request body. The largest that the API needs has about 1 KB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON body, read by serde so that a wrong one is answered with the name of the field.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: Type + DeserializeOwned> JsonBody<T> {
    async fn read(request: &Request, body: &mut RequestBody) -> Result<Self, Problem> {
        let is_json = request.content_type().is_some_and(is_json);
        if !is_json {
            return Err(unsupported_media_type());
        }
        let body = body.take().map_err(|_| Problem::internal())?;
        let bytes = body
            .into_bytes_limit(MAX_BODY_BYTES)
            .await
            .map_err(|error| match error {
                ReadBodyError::PayloadTooLarge => body_too_large(),
                _ => malformed("the body ended too early".to_owned()),
            })?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            if error.inner().is_data() {
                wrong_fields::<T>(&bytes, &error)
            } else {
                malformed(error.into_inner().to_string())
            }
        })?;
        json.end().map_err(|error| malformed(error.to_string()))?;
        Ok(Self(value))
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// 400: not JSON.
fn malformed(reason: String) -> Problem {
    Problem::new(Code::MalformedJson).with_detail(format!("The body is not valid JSON: {reason}."))
}

impl<T: Type> Payload for JsonBody<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned> ParsePayload for JsonBody<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self::read(request, body).await?)
    }
}

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: Self::CONTENT_TYPE,
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        Ok(Self::read(request, body).await?)
    }
}

/// 415: not declared as JSON.
pub(crate) fn unsupported_media_type() -> Problem {
    Problem::new(Code::UnsupportedMediaType)
}

/// 413 with the limit.
pub(crate) fn body_too_large() -> Problem {
    Problem::new(Code::BodyTooLarge).with_detail(format!("The body may have {} KiB at most.", MAX_BODY_BYTES / 1024))
}

/// Shows a checked string of `auth` in the document, with the rule it was checked by.
macro_rules! checked_string {
    ($type:ty, $name:literal, $schema:expr) => {
        impl Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromJSON for $type {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                serde_json::from_value(value.unwrap_or_default()).map_err(ParseError::custom)
            }
        }
    };
}

checked_string!(
    Username,
    "Username",
    MetaSchema {
        description: Some(
            "1 to 64 letters, digits, `.`, `_`, `-`, `+` or `@`; blanks around it are dropped, case does not matter"
        ),
        example: Some("ada".into()),
        pattern: Some(format!(
            r"^[ \t\n\f\r]*[A-Za-z0-9._+@-]{{{},{}}}[ \t\n\f\r]*$",
            Username::MIN_LENGTH,
            Username::MAX_LENGTH
        )),
        ..MetaSchema::new("string")
    }
);

checked_string!(
    Password,
    "Password",
    MetaSchema {
        description: Some("8 to 128 characters of any script, which are the same in each of their Unicode forms (NFC)"),
        example: Some("correct horse battery".into()),
        min_length: Some(Password::MIN_CHARACTERS),
        max_length: Some(Password::MAX_CHARACTERS),
        ..MetaSchema::new_with_format("string", "password")
    }
);

checked_string!(
    TypedPassword,
    "TypedPassword",
    MetaSchema {
        description: Some("The password as it is, of whatever shape"),
        example: Some("correct horse battery".into()),
        ..MetaSchema::new_with_format("string", "password")
    }
);
