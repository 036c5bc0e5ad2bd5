//! Cookies of a request, read as bytes: what other pages of the host or of its parent domain have set may be anything,
//! and browsers send it as it is (RFC 6265bis, section 5.6).

use poem::Request;
use poem::http::header;

/// A cookie as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// There is none of this name.
    Missing,
    /// Its value.
    Text(String),
    /// There is one, whose value is not one that a server can have set: bytes outside of ASCII.
    Unreadable,
}

impl Cookie {
    /// The cookie of this exact name; of several the first that can be read.
    pub(super) fn of(request: &Request, name: &str) -> Self {
        let lines = request.headers().get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let values = pairs.filter_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
            value.strip_prefix(b"=")
        });
        let mut cookie = Self::Missing;
        for value in values {
            match std::str::from_utf8(unquoted(value)) {
                Ok(text) if text.is_ascii() => return Self::Text(text.to_owned()),
                _ => cookie = Self::Unreadable,
            }
        }
        cookie
    }
}

/// Clients after RFC 2965, such as Java's, put the value in quotes, which are no part of it (RFC 6265, section 4.1.1).
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "refresh_token";

    fn cookie(lines: &[&[u8]]) -> Cookie {
        let mut request = Request::default();
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            request.headers_mut().append(header::COOKIE, line);
        }
        Cookie::of(&request, NAME)
    }

    fn text(value: &str) -> Cookie {
        Cookie::Text(value.to_owned())
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_exact_name() {
        let lines: [&[u8]; 2] = [
            b"a=1; xrefresh_token=2; refresh_tokens=3; Refresh_token=4",
            b"refresh_token=5==; b=6",
        ];
        assert_eq!(cookie(&lines), text("5=="));
        assert_eq!(cookie(&lines[..1]), Cookie::Missing);
        assert_eq!(cookie(&[]), Cookie::Missing);
    }

    /// As java.net.CookieManager sends it.
    #[test]
    fn a_value_in_quotes_is_what_is_between_them() {
        let line = br#"$Version="1"; refresh_token="t=";$Path="/";$Domain="localhost""#;
        assert_eq!(cookie(&[line]), text("t="));
        assert_eq!(cookie(&[b"refresh_token=\"\""]), text(""));
        assert_eq!(cookie(&[b"refresh_token=\""]), text("\""));
    }

    #[test]
    fn a_cookie_that_cannot_be_read_is_not_taken_for_none() {
        assert_eq!(cookie(&["a=b; refresh_token=Zürich".as_bytes()]), Cookie::Unreadable);
        assert_eq!(cookie(&[b"refresh_token=\xff; refresh_token=t"]), text("t"));
    }

    proptest! {
        /// Whatever stands before and behind it, on this line and on others (hyperium/headers#85).
        #[test]
        fn no_neighbour_of_any_bytes_hides_a_cookie(
            mut before in vec(neighbour(), 0..4),
            behind in vec(neighbour(), 0..4),
            other in vec(neighbour(), 0..4),
            is_quoted: bool,
        ) {
            let ours = if is_quoted { "refresh_token=\"t.k-n_\"" } else { "refresh_token=t.k-n_" };
            before.push(ours.as_bytes().to_vec());
            before.extend(behind);
            let (line, other) = (before.join(&b"; "[..]), other.join(&b";"[..]));
            prop_assert_eq!(cookie(&[&line, &other]), text("t.k-n_"));
            prop_assert_eq!(cookie(&[&other, &line]), text("t.k-n_"));
        }
    }

    /// Any bytes that a header may hold (RFC 9110, section 5.5), but for the one that ends a cookie and for our name.
    fn neighbour() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            Just(b'"'),
            Just(b'='),
            Just(b','),
            Just(b'\t'),
            b' '..=b'~',
            0x80..=0xff_u8
        ];
        let any = vec(bytes, 0..20).prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != b';').collect());
        any.prop_filter("it is ours", |bytes: &Vec<u8>| {
            !bytes.trim_ascii().starts_with(NAME.as_bytes())
        })
    }
}
