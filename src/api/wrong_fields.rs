//! What is wrong with a JSON body: all of it at once, so that a form shows each error at its field.

use poem_openapi::registry::Registry;
use poem_openapi::types::Type;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment};

use crate::problem::{Code, ErrorItem, ErrorItemCode, Problem};

/// More than any form has fields; whoever sends 5,000 unknown ones need not hear of each.
const MAX_ITEMS: usize = 20;

/// 422 for a body that is JSON and no `T`. The `detail` is the first error, `errors` has them all.
pub(super) fn wrong_fields<T: Type + DeserializeOwned>(
    body: &[u8],
    first: &serde_path_to_error::Error<serde_json::Error>,
) -> Problem {
    let reason = reason(first.inner());
    let path = first.path().to_string();
    let detail = if path == "." {
        format!("The body is not right: {reason}.")
    } else {
        format!("{path}: {reason}.")
    };
    // Text that ends too early after the first error has no other fields that could be looked at.
    let fields = serde_json::from_slice::<Map<String, Value>>(body).ok();
    let mut items = fields.map(all_wrong_fields::<T>).unwrap_or_default();
    // Such as a field that is there twice, of which the map has one.
    if items.is_empty() {
        items.push(item(first.path(), &reason));
    }
    Problem::new(Code::InvalidInput).with_detail(detail).with_errors(items)
}

fn all_wrong_fields<T: Type + DeserializeOwned>(fields: Map<String, Value>) -> Vec<ErrorItem> {
    let is_absent = |name: &&str| !fields.contains_key(*name);
    let absent: Vec<ErrorItem> = required_fields::<T>()
        .into_iter()
        .filter(is_absent)
        .map(missing)
        .collect();
    let wrong = fields.into_iter().filter_map(wrong_field::<T>);
    wrong.take(MAX_ITEMS).chain(absent).collect()
}

/// What is wrong with one field, looked at without the others.
fn wrong_field<T: DeserializeOwned>((name, value): (String, Value)) -> Option<ErrorItem> {
    let alone = Value::Object(Map::from_iter([(name, value)]));
    let error = serde_path_to_error::deserialize::<_, T>(alone).err()?;
    // An error of the whole is that the others are missing.
    let is_of_the_field = error.path().iter().next().is_some();
    is_of_the_field.then(|| item(error.path(), &reason(error.inner())))
}

/// The names of the fields that the document says must be there.
fn required_fields<T: Type>() -> Vec<&'static str> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let schema = registry.schemas.remove(T::name().as_ref());
    schema.map(|schema| schema.required).unwrap_or_default()
}

fn missing(name: &str) -> ErrorItem {
    ErrorItem::at(pointer_to([name]), ErrorItemCode::Missing, "must be there.")
}

fn item(path: &Path, reason: &str) -> ErrorItem {
    let code = match reason {
        _ if reason.starts_with("missing field") => ErrorItemCode::Missing,
        _ if reason.starts_with("unknown field") => ErrorItemCode::Unknown,
        _ if reason.starts_with("duplicate field") => ErrorItemCode::Duplicate,
        _ if reason.starts_with("invalid type") => ErrorItemCode::WrongType,
        _ => ErrorItemCode::Invalid,
    };
    let names = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    ErrorItem::at(pointer_to(names), code, format!("{reason}."))
}

/// A JSON Pointer as the fragment of a URI, as in the example of RFC 9457, section 3 (RFC 6901, sections 3 and 6).
fn pointer_to(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut pointer = "#".to_owned();
    for name in names {
        pointer.push('/');
        for byte in name.as_ref().replace('~', "~0").replace('/', "~1").bytes() {
            // What RFC 3986, section 3.5, allows there.
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
                pointer.push(char::from(byte));
            } else {
                pointer.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    pointer
}

/// What is wrong in serde's words, without the place in the text, which means nothing to a person who filled in a form.
fn reason(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6901, section 6, has these.
    #[test]
    fn a_pointer_escapes_what_it_must() {
        for (name, pointer) in [
            ("foo", "#/foo"),
            ("", "#/"),
            ("a/b", "#/a~1b"),
            ("c%d", "#/c%25d"),
            ("e^f", "#/e%5Ef"),
            ("k\"l", "#/k%22l"),
            (" ", "#/%20"),
            ("m~n", "#/m~0n"),
        ] {
            assert_eq!(pointer_to([name]), pointer);
        }
        assert_eq!(pointer_to(["a", "0"]), "#/a/0");
        assert_eq!(pointer_to([""; 0]), "#");
    }
}
