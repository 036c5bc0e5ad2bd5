//! Background tasks, supervised: one that panics is logged, counted and started again, and a stop waits for the step that
//! it has under way.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::Metrics;

/// The pause before a task that panicked is started again, so that one that always panics costs little.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The background tasks of one server.
#[derive(Debug)]
pub struct Tasks {
    metrics: Arc<Metrics>,
    tracker: TaskTracker,
    /// Asks them to end after the step under way.
    stop: CancellationToken,
    /// Ends them in the middle of it.
    give_up: CancellationToken,
}

impl Tasks {
    /// None yet; their panics will be counted in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            give_up: CancellationToken::new(),
        }
    }

    /// Runs what `task` makes, and again after each panic. It gets a token, and has to return soon after that is
    /// cancelled: between two steps, and never in the middle of one.
    pub fn spawn<F>(&self, name: &'static str, task: impl Fn(CancellationToken) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        let (stop, give_up, metrics) = (self.stop.clone(), self.give_up.clone(), Arc::clone(&self.metrics));
        self.tracker.spawn(async move {
            tokio::select! {
                () = supervise(name, task, &stop, &metrics) => {}
                () = give_up.cancelled() => tracing::warn!(task = name, "gave up on a background task that would not end"),
            }
        });
    }

    /// Asks all tasks to end.
    pub fn begin_stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// The same, and waits for the steps under way; gives up those that are not done at `deadline`.
    pub async fn stop(&self, deadline: Instant) {
        self.begin_stop();
        if timeout_at(deadline, self.tracker.wait()).await.is_err() {
            self.give_up.cancel();
            self.tracker.wait().await;
        }
    }
}

/// Runs what `task` makes until it returns by itself, and again after each panic: for the part of a server that has a task
/// of its own, which ends with that part and not with the others.
pub fn spawn<F>(name: &'static str, metrics: Arc<Metrics>, task: impl Fn() -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send,
{
    tokio::spawn(async move {
        let never = CancellationToken::new();
        supervise(name, |_| task(), &never, &metrics).await;
    });
}

/// Returns when the task does.
async fn supervise<F>(
    name: &'static str,
    task: impl Fn(CancellationToken) -> F,
    stop: &CancellationToken,
    metrics: &Metrics,
) where
    F: Future<Output = ()>,
{
    loop {
        let run = async { task(stop.clone()).await };
        if AssertUnwindSafe(run).catch_unwind().await.is_ok() {
            return;
        }
        // Why is in the line of the panic hook.
        tracing::error!(task = name, "a background task panicked; it is started again");
        metrics.task_panicked(name);
        if stop.run_until_cancelled(sleep(RESTART_PAUSE)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use crate::telemetry::TextFormat;

    use super::*;

    fn tasks() -> (Tasks, Arc<Metrics>) {
        let metrics = Arc::<Metrics>::default();
        (Tasks::new(Arc::clone(&metrics)), metrics)
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_counted_and_started_again() {
        let (tasks, metrics) = tasks();
        let (starts, is_well) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (counted, well) = (Arc::clone(&starts), Arc::clone(&is_well));
        tasks.spawn("fragile", move |stop| {
            let (start, well) = (counted.fetch_add(1, Ordering::SeqCst), Arc::clone(&well));
            assert!(start != 0, "before it is even made");
            async move {
                assert!(start != 1, "while it runs");
                well.notify_one();
                stop.cancelled().await;
            }
        });
        is_well.notified().await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        let text = metrics.encode(TextFormat::OpenMetrics).unwrap();
        assert!(
            text.contains("background_task_panics_total{task=\"fragile\"} 2"),
            "{text}"
        );
        tasks.stop(in_a_minute()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_the_step_under_way() {
        let (tasks, _) = tasks();
        let (is_begun, is_done) = (Arc::<Notify>::default(), Arc::<AtomicUsize>::default());
        let (begun, done) = (Arc::clone(&is_begun), Arc::clone(&is_done));
        tasks.spawn("slow", move |stop| {
            let (begun, done) = (Arc::clone(&begun), Arc::clone(&done));
            async move {
                while !stop.is_cancelled() {
                    begun.notify_one();
                    sleep(Duration::from_secs(5)).await;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        is_begun.notified().await;
        tasks.stop(in_a_minute()).await;
        assert_eq!(is_done.load(Ordering::SeqCst), 1);
    }

    /// R33
    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_longer_than_its_deadline() {
        let (tasks, _) = tasks();
        tasks.spawn("frozen", |_stop| std::future::pending());
        let deadline = in_a_minute();
        tasks.stop(deadline).await;
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_while_the_server_stops_is_not_started_again() {
        let (tasks, _) = tasks();
        tasks.spawn("fragile", |stop| async move {
            stop.cancelled().await;
            panic!("on the way out");
        });
        tokio::task::yield_now().await;
        let begun = Instant::now();
        tasks.stop(in_a_minute()).await;
        assert_eq!(Instant::now(), begun);
    }
}
