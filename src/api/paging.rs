//! Long lists, page by page: where a page begins, and where the next one does.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use uuid::Uuid;

/// The most items of a page, and as many as it has when nobody says otherwise: with the default limit of sessions a
/// client that knows nothing of pages sees all of them.
pub(super) const MAX_PAGE: u64 = 100;

/// The item after which a page begins. Opaque to clients, so that it may become something else than an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) Uuid);

/// 128 bits in 22 characters, of which the last one holds two.
const PATTERN: &str = "^[A-Za-z0-9_-]{21}[AQgw]$";

impl Cursor {
    /// The `Link` of a page that is not the last one (RFC 8288), relative to the address of the page.
    pub(super) fn next_page(self, limit: u64) -> String {
        let cursor = URL_SAFE_NO_PAD.encode(self.0.as_bytes());
        format!("<?limit={limit}&cursor={cursor}>; rel=\"next\"")
    }
}

impl Type for Cursor {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some(PATTERN.to_owned()),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for Cursor {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok();
        let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
        id.map(Self)
            .ok_or_else(|| ParseError::custom("must be the cursor of a `Link` that came with another page"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(cursor: &str) -> Option<Cursor> {
        Cursor::parse_from_parameter(cursor).ok()
    }

    proptest! {
        #[test]
        fn the_cursor_of_a_link_is_where_the_next_page_begins(id: u128) {
            let cursor = Cursor(Uuid::from_u128(id));
            let link = cursor.next_page(7);
            let text = link.strip_prefix("<?limit=7&cursor=").and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
            prop_assert_eq!(parse(text.unwrap()), Some(cursor));
        }

        /// R38: what the document says about a cursor is what is taken.
        #[test]
        fn every_text_of_the_documented_form_is_a_cursor(text in PATTERN.trim_matches(['^', '$'])) {
            prop_assert!(parse(&text).is_some(), "{}", text);
        }

        #[test]
        fn a_text_of_another_length_or_form_is_none(text in "[A-Za-z0-9_-]{0,21}|[A-Za-z0-9_-]{23,30}|.{21}B") {
            prop_assert_eq!(parse(&text), None);
        }
    }
}
