//! The cost of each kind of exchange, compared with the committed table `cost.md`.
//!
//! The counts are equal on every machine. Only instructions depend on the compiler's choices, and so on code elsewhere
//! in the module: they may differ by [`TOLERANCE`].

mod shapes;

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_test_host::Counts;

/// By how much of itself a number of instructions may differ from the table.
const TOLERANCE: f64 = 0.05;

/// With this variable the test writes the table.
const WRITE: &str = "EVENKEEL_WRITE_COST";

const HEAD: &str = "\
# Cost of the module in the test host

Counts per exchange, as `cargo xtask bench --counts` measures them. A test compares them: none may grow.
A copying hostcall makes the host enter the VM once more, to allocate. What these cost on a real Envoy: `cargo xtask bench --envoy`.

| exchange | VM entries | hostcalls | copying | bytes copied | instructions |
|---|--:|--:|--:|--:|--:|
";

/// One line of the table.
struct Row {
    name: String,
    /// As many exchanges as `per` were counted.
    counts: Counts,
    per: u64,
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let counts = &self.counts;
        let exact = [
            counts.total_entries(),
            counts.total_hostcalls(),
            counts.allocations,
            counts.bytes_in + counts.bytes_out,
        ];
        let [entries, hostcalls, copying, bytes] =
            exact.map(|count| format!("{:.2}", count as f64 / self.per as f64));
        let instructions = (counts.instructions / self.per).to_string();
        [entries, hostcalls, copying, bytes, instructions]
    }

    fn line(&self) -> String {
        format!("| {} | {} |\n", self.name, self.cells().join(" | "))
    }
}

#[test]
fn no_exchange_costs_more_than_in_the_table() {
    let rows = shapes::measure();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.md");
    if env::var_os(WRITE).is_some() {
        return write_table(&rows, &path);
    }
    let table = fs::read_to_string(&path).expect("the table is committed");
    let mut differences = String::new();
    for row in &rows {
        compare(row, &table, &mut differences);
    }
    let listed = table.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(listed, rows.len() + 1, "{} has other rows", path.display());
    assert!(
        differences.is_empty(),
        "{differences}If the module is built by `cargo xtask wasm` with the profile of Cargo.toml, and a smaller \
         number is no mistake, write the table with `cargo xtask bench --counts`. A larger one needs a reason."
    );
}

fn write_table(rows: &[Row], path: &PathBuf) {
    let lines: String = rows.iter().map(Row::line).collect();
    fs::write(path, format!("{HEAD}{lines}")).expect("the table can be written");
}

/// Adds each difference of `row` to its line in `table`.
fn compare(row: &Row, table: &str, differences: &mut String) {
    let start = format!("| {} | ", row.name);
    let Some(line) = table.lines().find_map(|line| line.strip_prefix(&start)) else {
        writeln!(differences, "{}: not in the table", row.name).unwrap();
        return;
    };
    let listed: Vec<_> = line.trim_end_matches(" |").split(" | ").collect();
    let columns = [
        "VM entries",
        "hostcalls",
        "copying",
        "bytes copied",
        "instructions",
    ];
    for ((column, cell), listed) in columns.iter().zip(row.cells()).zip(listed) {
        let (now, before): (f64, f64) = (cell.parse().unwrap(), listed.parse().unwrap());
        let tolerance = match *column {
            "instructions" if has_other_profile() => continue,
            "instructions" => before * TOLERANCE,
            _ => 0.0,
        };
        if (now - before).abs() > tolerance {
            let change = if now > before { "GREW" } else { "shrank" };
            writeln!(
                differences,
                "{}: {column} {change} from {before} to {now}",
                row.name
            )
            .unwrap();
        }
    }
}

/// The environment changes the profile of the module, and with it the number of instructions.
pub(crate) fn has_other_profile() -> bool {
    env::vars().any(|(name, _)| name.starts_with("CARGO_PROFILE_WASM_"))
}
