//! What documents say that tests hold them to.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

/// Read and not included: what is built from the sources of programs alone has no documents.
static OPERATE: LazyLock<String> =
    LazyLock::new(|| fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATE.md")).unwrap());

/// The names in the first column of the table under this heading of docs/OPERATE.md.
pub(crate) fn documented(heading: &str) -> BTreeSet<&'static str> {
    let (_, rest) = OPERATE
        .split_once(&format!("\n## {heading}\n"))
        .expect("the heading is there");
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let first_cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}
