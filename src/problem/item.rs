//! One of several things that are wrong with a request, for code that shows each where it belongs.

use poem_openapi::{Enum, Object};
use serde::{Deserialize, Serialize};

/// One of the things that are wrong. Exactly one of `pointer`, `parameter` and `dependency` says where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Object)]
pub struct ErrorItem {
    /// The member of the body, as a JSON Pointer (RFC 6901, section 6): `#/password`; `#` is the whole body.
    #[oai(skip_serializing_if_is_none)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The parameter of the path or of the query.
    #[oai(skip_serializing_if_is_none)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What the server depends on and cannot reach.
    #[oai(skip_serializing_if_is_none)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// What is wrong, for code.
    pub code: ErrorItemCode,
    /// What is wrong, in a few words for a person, without the name of the field.
    pub detail: String,
}

/// What is wrong with one part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ErrorItemCode {
    /// It must be there.
    Missing,
    /// It must not be there.
    Unknown,
    /// It is there twice.
    Duplicate,
    /// It is of another JSON type.
    WrongType,
    /// It breaks a rule of its own, which `detail` says.
    Invalid,
    /// The name is the operator's.
    Reserved,
    /// The password is among the first that are guessed.
    EasilyGuessed,
    /// The dependency does not answer.
    Unavailable,
}

impl ErrorItem {
    /// Of the body's member at `pointer`, such as `#/password`.
    pub fn at(pointer: impl Into<String>, code: ErrorItemCode, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            ..Self::new(code, detail)
        }
    }

    /// Of a parameter of the path or of the query.
    pub fn of_parameter(name: impl Into<String>, code: ErrorItemCode, detail: impl Into<String>) -> Self {
        Self {
            parameter: Some(name.into()),
            ..Self::new(code, detail)
        }
    }

    /// Of a dependency that does not answer.
    pub fn of_dependency(name: impl Into<String>) -> Self {
        Self {
            dependency: Some(name.into()),
            ..Self::new(ErrorItemCode::Unavailable, "does not answer")
        }
    }

    fn new(code: ErrorItemCode, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: None,
            dependency: None,
            code,
            detail: detail.into(),
        }
    }
}
