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
    /// Of a link: its connections stay, and nothing comes through.
    Frozen,
    /// Of a link: its connections carry nothing any more, ever, and new ones are good, as after a fail-over whose old server
    /// has vanished.
    Forgotten,
    /// Of an instance: SIGKILL; started again at the end.
    InstanceKilled,
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
/// What befalls the database itself, and with it every instance.
const OF_THE_DATABASE_ALONE: &[Fault] = &[Fault::Killed, Fault::Stopped, Fault::Stalled, Fault::Demoted];
const OF_THE_CACHE_ALONE: &[Fault] = &[Fault::Killed, Fault::Stopped];
const OF_A_LINK: &[Fault] = &[Fault::CutOff, Fault::RepliesCut, Fault::Frozen, Fault::Forgotten];
const OF_AN_INSTANCE: &[Fault] = &[Fault::InstanceKilled];
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

/// The faults of three instances and of what they share, each of which befalls one of them more seldom, since there are so
/// many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FleetPlan {
    pub(crate) database: Vec<Planned>,
    pub(crate) cache: Vec<Planned>,
    pub(crate) links: Vec<Vec<Planned>>,
    pub(crate) instances: Vec<Vec<Planned>>,
}

impl FleetPlan {
    /// Faults for about that long.
    pub(crate) fn new(seed: u64, length: Duration, instances: u64) -> Self {
        let plan = |part, kinds, pause| planned(&mut Random::new(seed, part), kinds, length, pause);
        Self {
            database: plan(1, OF_THE_DATABASE_ALONE, (5_000, 15_000)),
            cache: plan(2, OF_THE_CACHE_ALONE, (3_000, 10_000)),
            links: (0..2 * instances)
                .map(|link| plan(10 + link, OF_A_LINK, (4_000, 16_000)))
                .collect(),
            instances: (0..instances)
                .map(|instance| plan(50 + instance, OF_AN_INSTANCE, (8_000, 25_000)))
                .collect(),
        }
    }
}

/// Milliseconds from the end of a fault to the next one of the same victim: at least, and less than.
type Pause = (u64, u64);
const SHORT: Pause = (1_000, 5_000);

impl Plan {
    /// Faults for about that long.
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        Self {
            database: planned(&mut Random::new(seed, 1), OF_THE_DATABASE, length, SHORT),
            cache: planned(&mut Random::new(seed, 2), OF_THE_CACHE, length, SHORT),
            log: planned(&mut Random::new(seed, 3), OF_THE_LOG, length, SHORT),
            pooled: [None, Some(PoolMode::Session), Some(PoolMode::Transaction)][(seed % 3) as usize],
        }
    }
}

/// Each kind once before any comes again, so that a short run has all of them, too.
fn planned(random: &mut Random, kinds: &[Fault], length: Duration, pause: Pause) -> Vec<Planned> {
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
            after: Duration::from_millis(random.between(pause.0, pause.1)),
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
    assert_eq!(FleetPlan::new(7, length, 3), FleetPlan::new(7, length, 3));
    let plan = Plan::new(7, length);
    for kind in OF_THE_DATABASE {
        let count = plan.database.iter().filter(|planned| planned.fault == *kind).count();
        assert!(count >= 8, "{kind:?} {count} times");
    }
}
