//! What happened, for the end of a run: counts, and whatever should not have been.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::faults::Injected;
use crate::support::Answer;

/// Written by everybody who takes part. Clones share it.
#[derive(Clone)]
pub(crate) struct Report {
    started: Instant,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Default)]
struct Lines {
    /// Of each operation: how often it was done, and how often it had to be tried again.
    operations: BTreeMap<&'static str, (u64, u64)>,
    notes: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            lines: Arc::default(),
        }
    }

    pub(crate) fn done(&self, operation: &'static str) {
        self.lines.lock().unwrap().operations.entry(operation).or_default().0 += 1;
    }

    /// How many were done, of all kinds.
    pub(crate) fn operations(&self) -> u64 {
        let lines = self.lines.lock().unwrap();
        lines.operations.values().map(|(done, _)| done).sum()
    }

    pub(crate) fn tried_again(&self, operation: &'static str) {
        self.lines.lock().unwrap().operations.entry(operation).or_default().1 += 1;
    }

    /// Counts something worth knowing that is as it should be.
    pub(crate) fn note(&self, what: &'static str) {
        *self.lines.lock().unwrap().notes.entry(what).or_default() += 1;
    }

    /// Something that must not happen.
    pub(crate) fn violation(&self, account: &str, rule: &str, answer: &Answer) {
        let at = self.started.elapsed();
        let violation = format!("after {at:.1?}, {account}: {rule}: {} {}", answer.status, answer.text);
        self.lines.lock().unwrap().violations.push(violation);
    }

    /// Something that must not be, seen from outside of any request.
    pub(crate) fn broken(&self, what: &str) {
        let violation = format!("after {:.1?}: {what}", self.started.elapsed());
        self.lines.lock().unwrap().violations.push(violation);
    }

    pub(crate) fn print_operations(&self) {
        let lines = self.lines.lock().unwrap();
        let total: u64 = lines.operations.values().map(|(done, _)| done).sum();
        println!("{total} operations in {:.0?}:", self.started.elapsed());
        for (operation, (done, again)) in &lines.operations {
            println!("  {operation}: {done}, and {again} attempts that failed or were not answered");
        }
        for (note, count) in &lines.notes {
            println!("  {note}: {count}");
        }
    }

    pub(crate) fn assert_no_violation(&self) {
        let violations = &self.lines.lock().unwrap().violations;
        let first: Vec<_> = violations.iter().take(20).map(String::as_str).collect();
        assert!(
            first.is_empty(),
            "{} violations, the first of them:\n{}",
            violations.len(),
            first.join("\n")
        );
    }
}

pub(crate) fn print_faults(injected: &[Injected]) {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for Injected {
        victim,
        fault,
        recovery,
    } in injected
    {
        kinds.entry((victim, fault)).or_default().push(*recovery);
    }
    println!("{} faults:", injected.len());
    for ((victim, fault), recoveries) in kinds {
        let worst = recoveries.iter().max().unwrap();
        println!(
            "  {victim} {fault:?}: {} times, recovered within {worst:.1?}",
            recoveries.len()
        );
    }
}
