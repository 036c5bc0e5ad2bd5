//! How long a stop may take: whatever a client, the database, the cache or the log does, the process is gone
//! [`STOP_WITHIN`] after the drain (R33).

use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::console;
use crate::http::REQUEST_DEADLINE;

/// From the end of DRAIN_SECONDS to the end of the process.
pub const STOP_WITHIN: Duration = Duration::from_secs(12);

/// When nginx gives up requests under way: they had until their deadline, and a moment to be written.
const NGINX_QUITS: Duration = REQUEST_DEADLINE.saturating_add(Duration::from_millis(500));
/// When an nginx that was asked to close everything at once is killed.
const NGINX_ENDS: Duration = REQUEST_DEADLINE.saturating_add(Duration::from_millis(750));
/// When the server gives up requests under way.
const REQUESTS_END: Duration = REQUEST_DEADLINE.saturating_add(Duration::from_secs(1));
/// When it no longer waits for what the background tasks and the database have under way.
const REST_ENDS: Duration = REQUESTS_END.saturating_add(Duration::from_millis(300));
/// When the process is ended although it still waits for something: for a reader of its last lines that stands still, or
/// by a defect.
const NET: Duration = Duration::from_millis(11_750);
/// How long it may take to say so.
const NET_LINE: Duration = Duration::from_millis(150);
const _: () = assert!(NGINX_QUITS.as_millis() < NGINX_ENDS.as_millis());
const _: () = assert!(NGINX_ENDS.as_millis() < REQUESTS_END.as_millis());
const _: () = assert!(REST_ENDS.as_millis() < NET.as_millis());
const _: () = assert!(NET.as_millis() + NET_LINE.as_millis() < STOP_WITHIN.as_millis());

/// The deadlines of a stop that has begun.
#[derive(Clone, Copy, Debug)]
pub struct StopDeadlines {
    begun: Instant,
}

impl StopDeadlines {
    /// Those of a stop that begins now.
    pub fn from_now() -> Self {
        Self { begun: Instant::now() }
    }

    /// For requests under way in nginx.
    pub fn nginx_quits(&self) -> Instant {
        self.begun + NGINX_QUITS
    }

    /// For an nginx that closes everything at once.
    pub fn nginx_ends(&self) -> Instant {
        self.begun + NGINX_ENDS
    }

    /// For requests under way in the server.
    pub fn requests_end(&self) -> Instant {
        self.begun + REQUESTS_END
    }

    /// For all else that is under way.
    pub fn rest_ends(&self) -> Instant {
        self.begun + REST_ENDS
    }
}

/// The net under a stop that begins with a drain of this length: ends the process with status 1 when it is over and the
/// process still there. A thread of its own, because it must not depend on whatever holds up the others.
pub fn end_process_in_time(drain: Duration) {
    let net = move || {
        thread::sleep(drain + NET);
        let reason = "slipway: ended before it was done, because the stop took too long\n";
        console::say(reason.to_owned(), NET_LINE);
        std::process::exit(1);
    };
    // Without it the deadlines above still hold.
    let _ = thread::Builder::new().name("stop".to_owned()).spawn(net);
}
