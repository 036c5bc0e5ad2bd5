//! Sends requests at a constant rate over a number of connections and times each from the moment at which it should have
//! been sent, so that a server that stalls cannot hide it by keeping the sender waiting (coordinated omission).
//!
//!     load ADDRESS RATE SECONDS CONNECTIONS FILE [rotate]
//!
//! RATE 0 sends as fast as the connections allow, each from the answer to the one before. FILE holds raw HTTP/1.1
//! requests, each after a line with its length in bytes; they are taken in turn. With `rotate`, the cookie of an answer
//! replaces that of the request, as a browser does after a refresh.
//!
//! Prints one JSON object; latencies are in microseconds. One blocking thread for each connection: a sleeping thread
//! wakes to the microsecond, which the timers of async runtimes (1 ms) do not.

mod http;

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use http::{Connection, Request};

/// A server that does not answer for so long has failed that request.
const PATIENCE: Duration = Duration::from_secs(15);
/// Stack of a thread, which calls nothing deep.
const STACK_BYTES: usize = 128 * 1024;

struct Plan {
    address: String,
    rate: f64,
    duration: Duration,
    connections: usize,
    rotates: bool,
    requests: Mutex<VecDeque<Request>>,
    /// How many were taken from the schedule.
    taken: AtomicU64,
}

#[derive(Default)]
struct Tally {
    latencies: Vec<u32>,
    /// Answers with another status than 2xx, and connections that broke or said nothing.
    errors: u64,
    first_error: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::from_arguments(&env::args().skip(1).collect::<Vec<_>>())?;
    let started = Instant::now();
    let total = thread::scope(|scope| {
        let spawn = |_| {
            let builder = thread::Builder::new().stack_size(STACK_BYTES);
            builder.spawn_scoped(scope, || plan.send(started))
        };
        let threads: Vec<_> = (0..plan.connections).map(spawn).collect();
        let mut total = Tally::default();
        for thread in threads {
            match thread.map(|thread| thread.join()) {
                Ok(Ok(tally)) => total.add(tally),
                _ => total.fail("a thread could not be run".to_owned()),
            }
        }
        total
    });
    println!("{}", total.into_json(started.elapsed()));
    Ok(())
}

impl Plan {
    fn from_arguments(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let [address, rate, seconds, connections, file, rest @ ..] = arguments else {
            return Err("usage: load ADDRESS RATE SECONDS CONNECTIONS FILE [rotate]".into());
        };
        let requests = http::parse_requests(&fs::read(file).map_err(|error| format!("{file}: {error}"))?)?;
        if requests.is_empty() {
            return Err(format!("{file} holds no request").into());
        }
        Ok(Self {
            address: address.clone(),
            rate: rate.parse()?,
            duration: Duration::try_from_secs_f64(seconds.parse()?)?,
            connections: connections.parse()?,
            rotates: rest.iter().any(|argument| argument == "rotate"),
            requests: Mutex::new(requests.into()),
            taken: AtomicU64::new(0),
        })
    }

    /// What one connection does until the time is over.
    fn send(&self, started: Instant) -> Tally {
        // Linux lets a sleep last 50 microseconds longer unless it is asked not to; elsewhere there is no such file.
        let _ = fs::write("/proc/thread-self/timerslack_ns", "1");
        let mut tally = Tally::default();
        let mut connection = None;
        while let Some(due) = self.next_due(started) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let mut request = self.take();
            let answered = Connection::reuse(&mut connection, &self.address, PATIENCE)
                .and_then(|connection| connection.exchange(&request));
            match answered {
                Ok(answer) if answer.is_success() => {
                    tally.latencies.push(microseconds(due.elapsed()));
                    if self.rotates {
                        request.take_cookie(&answer);
                    }
                }
                Ok(answer) => tally.fail(format!("status {}", answer.status)),
                Err(error) => {
                    connection = None;
                    tally.fail(error.to_string());
                }
            }
            self.requests().push_back(request);
        }
        tally
    }

    /// When the next request should be sent; `None` once that is after the end.
    fn next_due(&self, started: Instant) -> Option<Instant> {
        let due = if self.rate > 0.0 {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            started + Duration::from_secs_f64(as_f64(number) / self.rate)
        } else {
            Instant::now()
        };
        // Not what is overdue, either: a server that cannot keep up would hold us for ever.
        let is_over = due.max(Instant::now()) >= started + self.duration;
        (!is_over).then_some(due)
    }

    /// The next request that no other connection is sending.
    fn take(&self) -> Request {
        loop {
            let next = self.requests().pop_front();
            if let Some(request) = next {
                // One that keeps its cookie can be sent by many at once.
                if !self.rotates {
                    self.requests().push_back(request.clone());
                }
                return request;
            }
            thread::yield_now();
        }
    }

    fn requests(&self) -> std::sync::MutexGuard<'_, VecDeque<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn fail(&mut self, reason: String) {
        self.errors += 1;
        self.first_error.get_or_insert(reason);
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn into_json(mut self, elapsed: Duration) -> String {
        self.latencies.sort_unstable();
        let quantile = |share: f64| quantile(&self.latencies, share);
        let error = self.first_error.as_deref().unwrap_or_default();
        format!(
            "{{\"requests\":{},\"seconds\":{},\"errors\":{},\"first_error\":\"{}\",\
             \"p50\":{},\"p99\":{},\"p999\":{},\"max\":{}}}",
            self.latencies.len(),
            elapsed.as_secs_f64(),
            self.errors,
            error.escape_default(),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            quantile(1.0),
        )
    }
}

/// The smallest value that a share of `share` of `sorted` does not exceed; 0 of none.
fn quantile(sorted: &[u32], share: f64) -> u32 {
    let rank = (share * as_f64(sorted.len() as u64)).ceil();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the length"
    )]
    let index = (rank as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(0)
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
