//! Whose request it is and how it was sent, seen through proxies.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use poem::http::HeaderMap;
use poem::http::uri::Scheme;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Another address, which may be a proxy.
    Address(IpAddr),
    /// A unix socket: a proxy on this machine, which is trusted because only it can open the socket.
    Local,
}

/// The client's address: the last hop that no trusted proxy vouches for (R13).
///
/// Each proxy appends the address it got the request from to `X-Forwarded-For`, so the list is read from its end, and
/// only as long as the one who appended is trusted. Whatever a client wrote there itself lies before that. `None` when
/// a local proxy did not say.
pub(super) fn client_address(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| is_trusted(address, trusted);
    let mut client = match peer {
        Peer::Address(address) => Some(address.to_canonical()),
        Peer::Local => None,
    };
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
    while client.is_none_or(is_trusted) {
        let Some(hop) = hops.next() else { break };
        // What cannot be read cannot be followed further.
        let Some(address) = parse_hop(hop.trim()) else { break };
        client = Some(address);
    }
    client
}

/// The scheme by which the client called, as a trusted proxy that it reached says in `X-Forwarded-Proto`. `None` when
/// nobody says so: TLS may have ended at a proxy that is not known here.
///
/// nginx passes on what it gets, from anybody. That is enough for what depends on this: a page cannot set the header
/// for a request to another origin without asking first, which is refused.
pub(super) fn client_scheme(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Option<Scheme> {
    let is_trusted = is_trusted_proxy(peer, trusted);
    let mut lines = headers.get_all("x-forwarded-proto").iter();
    // Where several proxies have said something, it is not known which of them the client reached.
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    match line.to_str().ok()? {
        "http" if is_trusted => Some(Scheme::HTTP),
        "https" if is_trusted => Some(Scheme::HTTPS),
        _ => None,
    }
}

/// Whether what a peer says about a request is believed.
pub(super) fn is_trusted_proxy(peer: Peer, trusted: &[IpNet]) -> bool {
    match peer {
        Peer::Address(address) => is_trusted(address.to_canonical(), trusted),
        Peer::Local => true,
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// An address, perhaps with brackets or a port, as proxies write it.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let peer = peer.parse().map_or(Peer::Local, Peer::Address);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer, &headers, &trusted).map_or_else(|| "unknown".to_owned(), |address| address.to_string())
    }

    /// R13: a client cannot choose its address.
    #[test]
    fn without_trusted_proxies_the_header_is_ignored() {
        assert_eq!(seen("203.0.113.5", &["1.1.1.1"], &[]), "203.0.113.5");
    }

    /// R13: taken from the trusted hop only.
    #[test]
    fn only_what_trusted_proxies_appended_is_believed() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 203.0.113.5"], &trusted), "203.0.113.5");
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 203.0.113.5, 10.0.0.2"], &trusted),
            "203.0.113.5"
        );
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "203.0.113.5"], &trusted), "203.0.113.5");
        assert_eq!(seen("203.0.113.9", &["203.0.113.5"], &trusted), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &trusted), "10.0.0.3");
    }

    #[test]
    fn a_unix_socket_is_a_trusted_proxy() {
        assert_eq!(seen("unix", &["6.6.6.6, 203.0.113.5"], &[]), "203.0.113.5");
        assert_eq!(seen("unix", &[], &[]), "unknown");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(seen("10.0.0.1", &["203.0.113.5:4711"], &trusted), "203.0.113.5");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]:443"], &trusted), "2001:db8::1");
        assert_eq!(seen("10.0.0.1", &["[2001:db8::1]"], &trusted), "2001:db8::1");
        assert_eq!(
            seen("::ffff:10.0.0.1", &["::ffff:203.0.113.5"], &trusted),
            "203.0.113.5"
        );
        assert_eq!(seen("10.0.0.1", &["203.0.113.5, unknown"], &trusted), "10.0.0.1");
    }

    #[test]
    fn the_scheme_is_what_a_trusted_proxy_says_if_it_says_one() {
        let scheme = |peer: &str, lines: &[&'static str]| {
            let peer = peer.parse().map_or(Peer::Local, Peer::Address);
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-proto", HeaderValue::from_static(line));
            }
            client_scheme(peer, &headers, &["10.0.0.0/8".parse().unwrap()])
        };
        for peer in ["unix", "10.0.0.1", "::ffff:10.0.0.1"] {
            assert_eq!(scheme(peer, &["https"]), Some(Scheme::HTTPS));
            assert_eq!(scheme(peer, &["http"]), Some(Scheme::HTTP));
            for unclear in [&[][..], &["https,http"], &["https", "http"], &["wss"], &[""]] {
                assert_eq!(scheme(peer, unclear), None, "{unclear:?}");
            }
        }
        assert_eq!(scheme("203.0.113.5", &["https"]), None);
    }

    proptest! {
        /// R13: whatever a client writes in front, the address that the trusted proxy appended wins.
        #[test]
        fn nothing_that_a_client_sends_changes_its_address(written in "[ -~\u{80}-\u{ff}]{0,80}", lines in 0_usize..3) {
            let mut headers = HeaderMap::new();
            for _ in 0..lines {
                if let Ok(value) = HeaderValue::from_bytes(written.as_bytes()) {
                    headers.append("x-forwarded-for", value);
                }
            }
            let appended = match headers.get("x-forwarded-for").filter(|_| lines == 1) {
                Some(value) => [value.as_bytes(), b", 203.0.113.5"].concat(),
                None => b"203.0.113.5".to_vec(),
            };
            if lines == 1 { headers.clear(); }
            headers.append("x-forwarded-for", HeaderValue::from_bytes(&appended).unwrap());
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            let address = client_address(Peer::Address("10.0.0.1".parse().unwrap()), &headers, &trusted);
            // A line with bytes that are no text is not read at all, which leaves the proxy's own address.
            let expected = if appended.is_ascii() { "203.0.113.5" } else { "10.0.0.1" };
            prop_assert_eq!(address, Some(expected.parse().unwrap()));
        }
    }
}
