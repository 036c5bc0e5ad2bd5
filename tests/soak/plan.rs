//! What goes wrong when: decided by the seed alone, before anything begins.

use std::time::Duration;

use crate::random::Random;
use crate::support::PoolMode;

/// What is done to a dependency, or to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// SIGKILL to every process of it; started again at the end.
    Killed,
    /// SIGSTOP to every process of it; SIGCONT at the end.
    Stopped,
    /// Its connections are cut, new ones are closed at once.
    CutOff,
    /// Its connections are cut in the middle of a reply: it has done what it was asked, and nobody hears of it.
    RepliesCut,
    /// Its disk is full.
    DiskFull,
    /// Stopped for longer than any request waits: the deadline of each passes in the middle of what it does.
    Stalled,
    /// It takes no writes any more, as a primary that became a replica, and again at the end.
    Demoted,
    /// Nobody reads the log, so that its pipe fills up.
    Unread,
}

const OF_THE_DATABASE: &[Fault] = &[
    Fault::Killed,
    Fault::Stopped,
    Fault::CutOff,
    Fault::RepliesCut,
    Fault::DiskFull,
    Fault::Stalled,
    Fault::Demoted,
];
/// Valkey writes nothing to disk.
const OF_THE_CACHE: &[Fault] = &[Fault::Killed, Fault::Stopped, Fault::CutOff, Fault::RepliesCut];
const OF_THE_LOG: &[Fault] = &[Fault::Unread];
/// A second longer than a request's deadline.
const STALL: Duration = Duration::from_secs(11);

/// A fault, after so much time without one, for so long. Lengths stay below the 30 seconds within which a client has
/// to repeat a refresh whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) after: Duration,
    pub(crate) lasts: Duration,
}

/// The faults of the dependencies and of the log, which know nothing of one another and so overlap at times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) database: Vec<Planned>,
    pub(crate) cache: Vec<Planned>,
    pub(crate) log: Vec<Planned>,
    /// How the database is pooled beside the server's own pool, if it is. Seeds 1, 2 and 3 have one each.
    pub(crate) pooled: Option<PoolMode>,
}

impl Plan {
    /// Faults for about that long.
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        Self {
            database: planned(&mut Random::new(seed, 1), OF_THE_DATABASE, length),
            cache: planned(&mut Random::new(seed, 2), OF_THE_CACHE, length),
            log: planned(&mut Random::new(seed, 3), OF_THE_LOG, length),
            pooled: [None, Some(PoolMode::Session), Some(PoolMode::Transaction)][(seed % 3) as usize],
        }
    }
}

/// Each kind once before any comes again, so that a short run has all of them, too.
fn planned(random: &mut Random, kinds: &[Fault], length: Duration) -> Vec<Planned> {
    let mut plan = Vec::new();
    let mut end = Duration::ZERO;
    let mut deck = Vec::new();
    loop {
        if deck.is_empty() {
            deck = kinds.to_vec();
            random.shuffle(&mut deck);
        }
        let fault = deck.pop().unwrap();
        let planned = Planned {
            fault,
            after: Duration::from_millis(random.between(1_000, 5_000)),
            lasts: match fault {
                Fault::Stalled => STALL,
                _ => Duration::from_millis(random.between(300, 6_000)),
            },
        };
        end += planned.after + planned.lasts;
        if end > length {
            return plan;
        }
        plan.push(planned);
    }
}

#[test]
fn a_seed_decides_the_plan() {
    let length = Duration::from_secs(600);
    assert_eq!(Plan::new(7, length), Plan::new(7, length));
    assert_ne!(Plan::new(7, length), Plan::new(8, length));
    let plan = Plan::new(7, length);
    for kind in OF_THE_DATABASE {
        let count = plan.database.iter().filter(|planned| planned.fault == *kind).count();
        assert!(count >= 8, "{kind:?} {count} times");
    }
}
