//! Limits on attempts, per client address and per account (OWASP ASVS 6.3.1).

use std::net::IpAddr;
use std::time::Duration;

use crate::cache::{Cache, Counter, MemoryCache};
use crate::clock::Clock;
use crate::config::RateLimitConfig;

/// Attempts are counted for this long, from the first one on.
const WINDOW: Duration = Duration::from_secs(60);

/// A refresh is admitted this many times as often: its token cannot be guessed, every page load makes one, and an office
/// full of people shares one address.
const REFRESH_FACTOR: u32 = 10;

/// One attempt at a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// What is attempted, such as `login`; each route is counted by itself.
    pub(super) route: &'static str,
    /// Where it comes from; `None` when a local proxy did not say.
    pub(super) address: Option<IpAddr>,
    /// Whom it concerns: a username, an account or a session.
    pub(super) account: &'a str,
}

/// An attempt was refused because there were too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When the next attempt will be admitted.
    pub retry_after: Duration,
    /// Each limit that applies and what is left of it.
    pub limits: Vec<Limit>,
}

/// One limit and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `address` or `account`.
    pub name: &'static str,
    /// Attempts in a window.
    pub quota: u32,
    /// The length of a window.
    pub window: Duration,
    /// Attempts that are left in this one.
    pub remaining: u64,
    /// When the next window begins.
    pub resets_in: Duration,
}

/// Counts attempts, in the shared cache while there is one and in this process while there is not.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter {
    config: RateLimitConfig,
    shared: Cache,
    local: MemoryCache,
}

impl RateLimiter {
    pub(super) fn new(config: RateLimitConfig, shared: Cache, clock: Clock) -> Self {
        Self {
            config,
            shared,
            local: MemoryCache::new(clock),
        }
    }

    /// Counts `attempt`.
    ///
    /// # Errors
    /// [`Refusal`] when one of the limits is used up. Refused attempts count too, so hammering does not help.
    pub(super) async fn admit(&self, attempt: Attempt<'_>) -> Result<(), Refusal> {
        let Attempt { route, account, .. } = attempt;
        let factor = if route == "refresh" { REFRESH_FACTOR } else { 1 };
        let address = attempt.address.map_or_else(|| "local".to_owned(), network);
        let limits = [
            (
                "address",
                self.config.per_address.saturating_mul(factor),
                format!("rate:{route}:address:{address}"),
            ),
            (
                "account",
                self.config.per_account.saturating_mul(factor),
                format!("rate:{route}:account:{account}"),
            ),
        ];
        let limits: Vec<_> = limits.into_iter().filter(|(_, quota, _)| *quota > 0).collect();
        if limits.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = limits.iter().map(|(_, _, key)| key.clone()).collect();
        let counters = match self.shared.increment(&keys, WINDOW).await {
            Ok(counters) => counters,
            Err(_) => self.local.increment(&keys, WINDOW),
        };
        let exceeded = |((_, quota, _), counter): &(&(_, u32, _), &Counter)| counter.count > u64::from(*quota);
        let retry_after = limits
            .iter()
            .zip(&counters)
            .filter(exceeded)
            .map(|(_, counter)| counter.resets_in)
            .max();
        let Some(retry_after) = retry_after else {
            return Ok(());
        };
        let limit = |((name, quota, _), counter): ((&'static str, u32, String), Counter)| Limit {
            name,
            quota,
            window: WINDOW,
            remaining: u64::from(quota).saturating_sub(counter.count),
            resets_in: counter.resets_in,
        };
        Err(Refusal {
            retry_after,
            limits: limits.into_iter().zip(counters).map(limit).collect(),
        })
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 /64, which is what one customer gets.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn limiter(per_address: u32, per_account: u32, clock: &Clock) -> RateLimiter {
        let config = RateLimitConfig {
            per_address,
            per_account,
        };
        RateLimiter::new(config, Cache::Memory(MemoryCache::new(clock.clone())), clock.clone())
    }

    fn attempt<'a>(address: &str, account: &'a str) -> Attempt<'a> {
        Attempt {
            route: "login",
            address: address.parse().ok(),
            account,
        }
    }

    /// R13: by account and by address, each by itself.
    #[tokio::test]
    async fn an_account_is_limited_over_all_addresses_and_an_address_over_all_accounts() {
        let clock = Clock::manual();
        let limiter = limiter(3, 2, &clock);
        limiter.admit(attempt("10.0.0.1", "ada")).await.unwrap();
        limiter.admit(attempt("10.0.0.2", "ada")).await.unwrap();
        let refusal = limiter.admit(attempt("10.0.0.3", "ada")).await.unwrap_err();
        assert_eq!(refusal.retry_after, WINDOW);
        assert_eq!((refusal.limits[1].name, refusal.limits[1].remaining), ("account", 0));
        for account in ["b", "c", "d"] {
            limiter.admit(attempt("10.0.0.9", account)).await.unwrap();
        }
        limiter.admit(attempt("10.0.0.9", "e")).await.unwrap_err();
        clock.step(TimeDelta::seconds(60));
        limiter.admit(attempt("10.0.0.9", "ada")).await.unwrap();
    }

    #[tokio::test]
    async fn the_addresses_of_one_ipv6_network_count_as_one_client() {
        let limiter = limiter(1, 0, &Clock::manual());
        limiter.admit(attempt("2001:db8::1", "a")).await.unwrap();
        limiter.admit(attempt("2001:db8::2", "b")).await.unwrap_err();
        limiter.admit(attempt("2001:db8:0:1::1", "c")).await.unwrap();
    }

    #[tokio::test]
    async fn a_limit_of_zero_is_none() {
        let limiter = limiter(0, 0, &Clock::manual());
        for _ in 0..100 {
            limiter.admit(attempt("10.0.0.1", "ada")).await.unwrap();
        }
    }
}
