//! The id under which a request is logged, here and at every proxy that passes it on.

use std::sync::atomic::{AtomicU64, Ordering};

use poem::Request;
use ring::rand::{SecureRandom, SystemRandom};

/// Longer ids are not ours to carry around.
const MAX_LENGTH: usize = 128;

/// Takes over or makes request ids.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Different in every process, so that ids of several instances do not collide.
    base: u64,
    /// A counter and not randomness: randomness for each request showed in the throughput.
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut base = [0; 8];
        // Without randomness ids of two instances may collide, which only makes logs harder to read.
        let _ = SystemRandom::new().fill(&mut base);
        Self {
            base: u64::from_be_bytes(base),
            next: AtomicU64::new(1),
        }
    }

    /// The id that a trusted proxy gave this request, or a new one. Not one of the client's own: two users could share it,
    /// and one could hide behind another's in the logs.
    pub(super) fn id_of(&self, request: &Request, is_from_trusted_proxy: bool) -> String {
        let given = |name| request.header(name).filter(|id| is_harmless(id));
        let given = || given("x-request-id").or_else(|| given("x-amzn-trace-id"));
        match is_from_trusted_proxy.then(given).flatten() {
            Some(id) => id.to_owned(),
            None => format!("{:016x}-{:08x}", self.base, self.next.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// Whether an id can be put in a log line and a header as it is.
fn is_harmless(id: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_.=;:/+".contains(&c);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, value: &str) -> Request {
        Request::builder().header(name, value).finish()
    }

    #[test]
    fn the_id_of_a_proxy_is_taken_over() {
        let ids = RequestIds::new();
        assert_eq!(ids.id_of(&request("x-request-id", "abc-1"), true), "abc-1");
        let trace = "Root=1-67891233-abcdef012345678912345678";
        assert_eq!(ids.id_of(&request("x-amzn-trace-id", trace), true), trace);
    }

    /// Security finding H6.
    #[test]
    fn the_id_of_a_client_is_not_taken_over() {
        let ids = RequestIds::new();
        for name in ["x-request-id", "x-amzn-trace-id"] {
            assert_ne!(ids.id_of(&request(name, "abc-1"), false), "abc-1");
        }
    }

    #[test]
    fn an_id_that_could_forge_log_lines_is_replaced() {
        let ids = RequestIds::new();
        for id in ["", "a b", "a\"b", &"a".repeat(129)] {
            assert_ne!(ids.id_of(&request("x-request-id", id), true), id);
        }
        let one = || ids.id_of(&Request::default(), true);
        assert_ne!(one(), one());
    }
}
