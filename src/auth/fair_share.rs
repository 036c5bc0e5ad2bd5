//! A fair share of what there is little of: while it is plenty one network may take it, and when it gets scarce none takes
//! more than a part.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::rate_limit::network;

/// The places that are taken, by network. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    places: usize,
    taken: Arc<Mutex<HashMap<String, usize>>>,
}

/// One place of a network's, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    shares: Shares,
    network: String,
}

impl Shares {
    pub(super) fn of(places: usize) -> Self {
        Self {
            places,
            taken: Arc::default(),
        }
    }

    /// A place for a client at `address`: when half of the places are taken, a network that has a quarter gets no further
    /// one. So one alone leaves half of them to others, and an office behind one address may sign in at the same moment.
    /// Clients whose address is not known are one network.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Option<Share> {
        let network = address.map_or_else(String::new, network);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_scarce = taken.values().sum::<usize>() >= self.places.div_ceil(2);
        let count = taken.entry(network.clone()).or_default();
        if is_scarce && *count >= self.places.div_ceil(4) {
            return None;
        }
        *count += 1;
        Some(Share {
            shares: self.clone(),
            network,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(shares: &Shares, address: &str, times: usize) -> Vec<Share> {
        (0..times).filter_map(|_| shares.take(address.parse().ok())).collect()
    }

    #[test]
    fn one_network_takes_half_of_the_places_and_others_find_the_rest() {
        let shares = Shares::of(8);
        let greedy = take(&shares, "2001:db8::1", 100);
        assert_eq!(greedy.len(), 4);
        assert_eq!(take(&shares, "2001:db8::2", 1).len(), 0, "the same /64");
        let others = [take(&shares, "2001:db8:0:1::1", 3), take(&shares, "10.0.0.1", 3)];
        assert_eq!(others.each_ref().map(Vec::len), [2, 2]);
        drop((greedy, others));
        assert!(
            shares.taken.lock().unwrap().is_empty(),
            "nothing is remembered of who is gone"
        );
    }
}
