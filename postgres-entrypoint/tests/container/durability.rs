//! Nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::io::{BufRead, Write};
use std::thread;

use crate::support::Volume;

/// R22: as when a Spot instance is taken away. The kernel keeps what was written to files, so this shows that a commit
/// is written before it is acknowledged; that it is also on the disk is what `fsync` does, see `configuration`.
#[test]
fn sigkill_of_every_process_loses_no_acknowledged_row() {
    let volume = Volume::new();
    let container = volume.start_and_await_ready();
    container.sql("CREATE TABLE things (id int PRIMARY KEY)");
    container.stop();

    let mut acknowledged = BTreeSet::new();
    for round in 1..=5 {
        let container = volume.start_and_await_ready();
        let (mut client, mut input, output) = container.session();
        let writer = thread::spawn(move || {
            let first = round * 1_000_000;
            // Until the connection is gone and the client with it.
            (first..).find(|id| writeln!(input, "INSERT INTO things VALUES ({id}) RETURNING id;").is_err())
        });
        let mut answers = output.lines().map(|line| line.unwrap().parse::<u32>().unwrap());
        acknowledged.extend(answers.by_ref().take(150 * round));
        container.kill();
        // Answers that were on their way.
        acknowledged.extend(answers);
        client.wait().unwrap();
        writer.join().unwrap();

        let container = volume.start_and_await_ready();
        container.await_line("database system was not properly shut down");
        let rows = container.sql("SELECT id FROM things");
        let rows: BTreeSet<u32> = rows.lines().map(|id| id.parse().unwrap()).collect();
        let lost: Vec<_> = acknowledged.difference(&rows).collect();
        assert!(
            lost.is_empty(),
            "round {round} lost {} rows, such as {:?}",
            lost.len(),
            lost.first()
        );
        container.stop();
    }
    assert!(acknowledged.len() >= 150 * 15);
}
