//! The host that a request is for.

use std::net::Ipv6Addr;

use poem::Request;
use poem::http::header::HOST;
use poem::http::uri::Authority;
use poem::http::{HeaderValue, Version};

use crate::problem::{Code, Problem};

/// The authority of the request's target: a host, perhaps with a port, as RFC 3986, section 3.2, writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host(String);

impl Host {
    /// The host of `request`: that of a target in absolute form, which then counts alone (RFC 9112, section 3.2.2), else
    /// that of its Host line. `None` for a client of HTTP/1.0 that does not say.
    ///
    /// # Errors
    /// 400 `bad_request` for none in HTTP/1.1, for two, and for one that is no host (RFC 9112, section 3.2): two servers
    /// on the way could take it for different ones.
    pub(super) fn of(request: &Request) -> Result<Option<Self>, Problem> {
        let mut lines = request.headers().get_all(HOST).iter();
        let line = match (lines.next(), lines.next()) {
            (Some(line), None) => Some(Self::parse(line).ok_or_else(bad_host)?),
            (None, _) if request.version() < Version::HTTP_11 => None,
            _ => return Err(bad_host()),
        };
        let target = request.uri().authority().map(Authority::as_str);
        match target {
            Some(target) => Ok(Some(Self::parse_text(target).ok_or_else(bad_host)?)),
            None => Ok(line),
        }
    }

    fn parse(value: &HeaderValue) -> Option<Self> {
        Self::parse_text(value.to_str().ok()?)
    }

    fn parse_text(text: &str) -> Option<Self> {
        let (host, port) = split_port(text)?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        (is_host(host) && is_port).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Whether a page whose origin is `scheme` and `authority` comes from this host. A port that is the scheme's own may
    /// be written or not.
    pub(super) fn is_of_origin(&self, scheme: &str, authority: &str) -> bool {
        let default_port = match scheme {
            "https" => ":443",
            _ => ":80",
        };
        let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
        bare(&self.0) == bare(authority)
    }
}

/// Host and port; the port is empty when there is none.
fn split_port(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('[') {
        let (host, rest) = text.split_at(text.find(']')? + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, port)),
            None => rest.is_empty().then_some((host, "")),
        };
    }
    Some(text.split_once(':').unwrap_or((text, "")))
}

/// RFC 3986, section 3.2.2, without the future literals that nobody has. It may not be empty (RFC 9110, section 4.2.1).
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        return literal
            .strip_suffix(']')
            .is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok());
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut bytes = host.bytes();
    while let Some(byte) = bytes.next() {
        let is_escape = byte == b'%' && bytes.by_ref().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
        if !is_allowed(byte) && !is_escape {
            return false;
        }
    }
    !host.is_empty()
}

/// 400 with the code of nginx, which refuses the same (nix/nginx-problems.nix).
fn bad_host() -> Problem {
    Problem::new(Code::BadRequest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(version: Version, target: &str, lines: &[&[u8]]) -> Result<Option<String>, u16> {
        let mut request = Request::builder().version(version).uri_str(target).finish();
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            request.headers_mut().append(HOST, line);
        }
        let host = Host::of(&request).map_err(|problem| problem.status().as_u16())?;
        Ok(host.map(|host| host.0))
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for valid in [
            "x",
            "api.example.com",
            "api.example.com.",
            "127.0.0.1:8000",
            "[::1]",
            "[2001:db8::7]:443",
            "a_b-c",
            "a%2Db",
            "x:",
        ] {
            assert_eq!(
                host(Version::HTTP_11, "/", &[valid.as_bytes()]),
                Ok(Some(valid.to_ascii_lowercase()))
            );
        }
    }

    /// RFC 9112, section 3.2 (MUST).
    #[test]
    fn two_hosts_none_and_what_is_no_host_are_refused() {
        for lines in [
            vec![],
            vec!["a", "b"],
            vec!["a", "a"],
            vec![""],
            vec!["a b"],
            vec!["user@a"],
            vec!["a/b"],
            vec!["http://a"],
            vec!["a:b"],
            vec!["a:1:2"],
            vec!["::1"],
            vec!["[::1"],
            vec!["[::1]x"],
            vec!["[a]"],
            vec![":80"],
            vec!["a%2"],
            vec!["a%zz"],
            vec!["a\u{e4}"],
            vec!["a\tb"],
            vec!["a?b"],
            vec!["a#b"],
            vec!["a\"b"],
        ] {
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(host(Version::HTTP_11, "/", &bytes), Err(400), "{lines:?}");
        }
        assert_eq!(host(Version::HTTP_11, "/", &[b"a\xff"]), Err(400));
    }

    #[test]
    fn a_client_of_http_1_0_need_not_say_and_may_not_say_two() {
        assert_eq!(host(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(host(Version::HTTP_10, "/", &[b"a"]), Ok(Some("a".to_owned())));
        assert_eq!(host(Version::HTTP_10, "/", &[b"a", b"b"]), Err(400));
    }

    /// RFC 9112, section 3.2.2.
    #[test]
    fn a_target_in_absolute_form_counts_instead_of_the_host_line_which_must_be_there_all_the_same() {
        assert_eq!(
            host(Version::HTTP_11, "http://a:81/x", &[b"b"]),
            Ok(Some("a:81".to_owned()))
        );
        assert_eq!(host(Version::HTTP_11, "http://a/x", &[]), Err(400));
        assert_eq!(host(Version::HTTP_11, "http://a/x", &[b"b c"]), Err(400));
        assert_eq!(host(Version::HTTP_11, "http://user@a/x", &[b"a"]), Err(400));
    }

    #[test]
    fn an_origin_is_of_a_host_when_name_and_port_are_the_same() {
        let host = Host("api.example.com:443".to_owned());
        assert!(host.is_of_origin("https", "api.example.com"));
        assert!(!host.is_of_origin("http", "api.example.com"));
        let host = Host("api.example.com".to_owned());
        assert!(host.is_of_origin("https", "api.example.com:443"));
        assert!(host.is_of_origin("http", "API.example.com"));
        assert!(!host.is_of_origin("https", "api.example.com:8443"));
        assert!(!host.is_of_origin("https", "example.com"));
    }
}
