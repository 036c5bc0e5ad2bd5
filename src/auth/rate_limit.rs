//! Limits on attempts, per client address and per account (OWASP ASVS 6.3.1), such that nobody's attempts keep the owner of an
//! account out (ASVS 6.1.1).
//!
//! Sign-ins to an account are counted apart for each network that they come from and for each device from which it was signed
//! in to before ([`KnownDevice`]), and those that succeed do not count. What all networks together may try has a wider limit, which a known
//! device does not share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::device_token::KnownDevice;
use crate::cache::{Cache, Counter, MemoryCache};
use crate::clock::Clock;
use crate::config::RateLimitConfig;
use crate::telemetry::Metrics;

/// Attempts are counted for this long, from the first one on.
const WINDOW: Duration = Duration::from_secs(60);

/// A refresh is admitted this many times as often: its token cannot be guessed, every page load makes one, and an office
/// full of people shares one address.
const REFRESH_FACTOR: u32 = 10;

/// Sign-ins to one account from all networks that are not known devices, and requests of one IPv6 /48, which some providers
/// give to one customer, are admitted this many times as often as those of one network.
const WIDE_FACTOR: u32 = 10;

const ADDRESS: &str = "address";
const SITE: &str = "site";
const ACCOUNT_ALL: &str = "account_all";

/// One attempt at a route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// What is attempted, such as `login`; each route is counted by itself.
    pub(super) route: &'static str,
    /// Where it comes from; `None` when a local proxy did not say.
    pub(super) address: Option<IpAddr>,
    /// Whom it concerns: a username, an account or a session; `None` when that is not known.
    pub(super) account: Option<&'a str>,
    /// The device, if the account was signed in to from it before.
    pub(super) device: Option<&'a KnownDevice>,
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
    /// `address` (an IPv6 /64), `site` (an IPv6 /48), `account` (of sign-ins: from this network), `account_all` (from all
    /// networks) or `device`.
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
///
/// An attempt is counted for its address and its account in one round trip. An address that has used up its quota is
/// remembered in this process until its window is over, and what it attempts by then is refused before anything is counted:
/// a flood of names from one address makes no counters for them, in neither place, and costs the shared cache nothing. Only
/// while the address is not known yet to have used up its quota elsewhere, or in attempts at the same moment, a few names
/// more are counted.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter {
    config: RateLimitConfig,
    shared: Cache,
    local: MemoryCache,
    metrics: Arc<Metrics>,
}

/// How many attempts a window has for an address or an account.
#[derive(Debug)]
struct Budget {
    name: &'static str,
    quota: u32,
    key: String,
}

impl Budget {
    /// Whether it is of where the attempt comes from and not of whom it concerns.
    fn is_of_client(&self) -> bool {
        [ADDRESS, SITE].contains(&self.name)
    }

    /// Whether the next attempt would be one too many.
    fn is_spent(&self, counter: &Counter) -> bool {
        counter.count >= u64::from(self.quota)
    }

    fn is_exceeded(&self, counter: &Counter) -> bool {
        counter.count > u64::from(self.quota)
    }

    fn limit(&self, counter: &Counter) -> Limit {
        Limit {
            name: self.name,
            quota: self.quota,
            window: WINDOW,
            remaining: u64::from(self.quota).saturating_sub(counter.count),
            resets_in: counter.resets_in,
        }
    }
}

impl RateLimiter {
    pub(super) fn new(config: RateLimitConfig, shared: Cache, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self {
            config,
            shared,
            local: MemoryCache::new(clock),
            metrics,
        }
    }

    /// Counts `attempt`.
    ///
    /// # Errors
    /// [`Refusal`] when one of the limits is used up. An attempt that the account's limit refuses counts for the address,
    /// so hammering does not help.
    pub(super) async fn admit(&self, attempt: Attempt<'_>) -> Result<(), Refusal> {
        let budgets = self.budgets(attempt);
        for budget in budgets.iter().filter(|budget| budget.is_of_client()) {
            if let Some(counter) = self.local.counter(&budget.key)
                && budget.is_spent(&counter)
            {
                return Err(Refusal {
                    retry_after: counter.resets_in,
                    limits: vec![budget.limit(&counter)],
                });
            }
        }
        // What is refused already counts for nobody else: the limit of all networks is for guesses that are compared.
        let (of_all, own): (Vec<_>, Vec<_>) = budgets.into_iter().partition(|budget| budget.name == ACCOUNT_ALL);
        self.count(&own).await?;
        self.count(&of_all).await
    }

    async fn count(&self, budgets: &[Budget]) -> Result<(), Refusal> {
        if budgets.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = budgets.iter().map(|budget| budget.key.clone()).collect();
        let counters = match self.shared.increment(&keys, WINDOW).await {
            Ok(counters) => counters,
            Err(_) => {
                self.metrics.attempt_counted_alone();
                self.local.increment(&keys, WINDOW)
            }
        };
        let counted = || budgets.iter().zip(&counters);
        for (budget, counter) in counted() {
            if budget.is_of_client() && budget.is_spent(counter) {
                self.local.set_counter(&budget.key, *counter);
            }
        }
        let exceeded = counted().filter(|(budget, counter)| budget.is_exceeded(counter));
        let Some(retry_after) = exceeded.map(|(_, counter)| counter.resets_in).max() else {
            return Ok(());
        };
        Err(Refusal {
            retry_after,
            limits: counted().map(|(budget, counter)| budget.limit(counter)).collect(),
        })
    }

    /// Takes back what an attempt counted for the account, since it was its owner's: only failures count.
    pub(super) async fn forgive(&self, attempt: Attempt<'_>) {
        let budgets = self.budgets(attempt).into_iter();
        let keys: Vec<String> = budgets
            .filter(|budget| !budget.is_of_client())
            .map(|budget| budget.key)
            .collect();
        if !keys.is_empty() && self.shared.decrement(&keys, WINDOW).await.is_err() {
            self.local.decrement(&keys);
        }
    }

    /// What `attempt` counts for, without limits of zero, which are none.
    fn budgets(&self, attempt: Attempt<'_>) -> Vec<Budget> {
        let Attempt { route, account, .. } = attempt;
        let factor = if route == "refresh" { REFRESH_FACTOR } else { 1 };
        let network = attempt.address.map_or_else(|| "local".to_owned(), network);
        let budget = |name, quota: u32, whose: &str| Budget {
            name,
            quota: quota.saturating_mul(factor),
            key: format!("rate:{route}:{name}:{whose}"),
        };
        let RateLimitConfig {
            per_address,
            per_account,
        } = self.config;
        let mut budgets = vec![budget(ADDRESS, per_address, &network)];
        if let Some(site) = attempt.address.and_then(site) {
            budgets.push(budget(SITE, per_address.saturating_mul(WIDE_FACTOR), &site));
        }
        match (attempt.device, account) {
            (Some(device), _) => budgets.push(budget("device", per_account, &device.id)),
            (None, Some(account)) if route == "login" => budgets.extend([
                budget("account", per_account, &format!("{account} {network}")),
                budget(ACCOUNT_ALL, per_account.saturating_mul(WIDE_FACTOR), account),
            ]),
            (None, Some(account)) => budgets.push(budget("account", per_account, account)),
            (None, None) => {}
        }
        budgets.retain(|budget| budget.quota > 0);
        budgets
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 /64, which is what one customer gets.
pub(super) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The IPv6 /48 around it, which holds 65,536 networks and is given to one customer for the asking.
fn site(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::/48"))
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn limiter(per_address: u32, per_account: u32, clock: &Clock) -> RateLimiter {
        limiter_on(MemoryCache::new(clock.clone()), per_address, per_account, clock)
    }

    fn limiter_on(shared: MemoryCache, per_address: u32, per_account: u32, clock: &Clock) -> RateLimiter {
        let config = RateLimitConfig {
            per_address,
            per_account,
        };
        RateLimiter::new(config, Cache::Memory(shared), clock.clone(), Arc::default())
    }

    fn attempt<'a>(address: &str, account: &'a str) -> Attempt<'a> {
        Attempt {
            route: "login",
            address: address.parse().ok(),
            account: Some(account),
            device: None,
        }
    }

    fn from_device<'a>(device: &'a KnownDevice, address: &str, account: &'a str) -> Attempt<'a> {
        Attempt {
            device: Some(device),
            ..attempt(address, account)
        }
    }

    /// R13: by account and network, by account, and by address, each by itself.
    #[tokio::test]
    async fn an_account_is_limited_from_one_network_and_from_all_of_them_and_an_address_over_all_accounts() {
        let clock = Clock::manual();
        let limiter = limiter(30, 2, &clock);
        for network in 0..10 {
            let address = format!("10.0.0.{network}");
            for _ in 0..2 {
                limiter.admit(attempt(&address, "ada")).await.unwrap();
            }
        }
        let refusal = limiter.admit(attempt("10.0.1.1", "ada")).await.unwrap_err();
        assert_eq!(refusal.retry_after, WINDOW);
        assert_eq!(
            (refusal.limits[0].name, refusal.limits[0].remaining),
            ("account_all", 0)
        );
        let refusal = limiter.admit(attempt("10.0.0.1", "ada")).await.unwrap_err();
        assert_eq!((refusal.limits[1].name, refusal.limits[1].remaining), ("account", 0));
        for account in 0..30 {
            limiter
                .admit(attempt("10.0.2.1", &format!("user{account}")))
                .await
                .unwrap();
        }
        limiter.admit(attempt("10.0.2.1", "e")).await.unwrap_err();
        clock.step(TimeDelta::seconds(60));
        limiter.admit(attempt("10.0.2.1", "ada")).await.unwrap();
    }

    /// Security finding F4: eleven wrong sign-ins a minute kept anybody out.
    #[tokio::test]
    async fn guesses_of_others_keep_neither_other_networks_nor_known_devices_out() {
        let limiter = limiter(1000, 10, &Clock::manual());
        for _ in 0..50 {
            let _ = limiter.admit(attempt("10.0.0.1", "ada")).await;
        }
        limiter.admit(attempt("10.0.0.2", "ada")).await.unwrap();
        for network in 0..100 {
            for _ in 0..10 {
                let _ = limiter.admit(attempt(&format!("10.0.1.{network}"), "ada")).await;
            }
        }
        limiter.admit(attempt("10.0.0.2", "ada")).await.unwrap_err();
        let device = KnownDevice {
            id: "laptop".to_owned(),
        };
        for _ in 0..10 {
            limiter.admit(from_device(&device, "10.0.0.2", "ada")).await.unwrap();
        }
        limiter
            .admit(from_device(&device, "10.0.0.3", "ada"))
            .await
            .unwrap_err();
    }

    #[tokio::test]
    async fn a_sign_in_that_succeeds_counts_for_nothing() {
        let limiter = limiter(1000, 3, &Clock::manual());
        let device = KnownDevice {
            id: "laptop".to_owned(),
        };
        for own in [attempt("10.0.0.1", "ada"), from_device(&device, "10.0.0.1", "ada")] {
            for _ in 0..50 {
                limiter.admit(own).await.unwrap();
                limiter.forgive(own).await;
            }
            for _ in 0..3 {
                limiter.admit(own).await.unwrap();
            }
            limiter.admit(own).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn the_networks_of_one_ipv6_site_share_a_wider_limit() {
        let limiter = limiter(2, 0, &Clock::manual());
        for network in 0..10 {
            for _ in 0..2 {
                let address = format!("2001:db8:0:{network:x}::1");
                limiter.admit(attempt(&address, "a")).await.unwrap();
            }
        }
        let refusal = limiter.admit(attempt("2001:db8:0:ff::1", "a")).await.unwrap_err();
        assert!(
            refusal
                .limits
                .iter()
                .any(|limit| limit.name == "site" && limit.remaining == 0)
        );
        limiter.admit(attempt("2001:db8:1::1", "a")).await.unwrap();
    }

    /// Security finding F8: it forgot the counters that held back the guesses at an account.
    #[tokio::test]
    async fn a_flood_of_names_from_one_address_is_refused_before_it_makes_counters_for_them() {
        let clock = Clock::manual();
        let shared = MemoryCache::new(clock.clone());
        let limiter = limiter_on(shared.clone(), 3, 2, &clock);
        for _ in 0..3 {
            let _ = limiter.admit(attempt("10.0.0.1", "ada")).await;
        }
        for network in 10..30 {
            let _ = limiter.admit(attempt(&format!("10.0.0.{network}"), "ada")).await;
        }
        for name in ["x", "y", "z"] {
            let refusal = limiter.admit(attempt("10.0.0.1", name)).await.unwrap_err();
            assert_eq!((refusal.limits.len(), refusal.limits[0].name), (1, "address"));
            assert_eq!((refusal.limits[0].remaining, refusal.retry_after), (0, WINDOW));
            assert_eq!(shared.counter(&format!("rate:login:account:{name} 10.0.0.1")), None);
            assert_eq!(shared.counter(&format!("rate:login:account_all:{name}")), None);
        }
        limiter.admit(attempt("10.0.0.2", "ada")).await.unwrap_err();
        clock.step(TimeDelta::seconds(60));
        limiter.admit(attempt("10.0.0.1", "ada")).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_used_up_its_quota_at_another_instance_is_remembered_here_too() {
        let clock = Clock::manual();
        let shared = MemoryCache::new(clock.clone());
        let [one, other] = [(); 2].map(|()| limiter_on(shared.clone(), 2, 0, &clock));
        for account in ["a", "b"] {
            one.admit(attempt("10.0.0.1", account)).await.unwrap();
        }
        clock.step(TimeDelta::seconds(20));
        let refusal = other.admit(attempt("10.0.0.1", "c")).await.unwrap_err();
        assert_eq!(refusal.retry_after, Duration::from_secs(40));
        shared.clear();
        assert_eq!(
            other.admit(attempt("10.0.0.1", "d")).await.unwrap_err().retry_after,
            Duration::from_secs(40)
        );
        other.admit(attempt("10.0.0.2", "d")).await.unwrap();
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
