//! The contenders side by side, as a page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::drained::{Drained, reference};
use crate::exemption::Exemption;
use crate::row::Row;
use crate::site::Against;

const ORDER: [Against; 6] = [
    Against::Evenkeel,
    Against::Native,
    Against::Lua,
    Against::Nginx,
    Against::Haproxy,
    Against::None,
];

/// What every client lost under every contender, of ten thousand requests. `command` made it.
pub fn render(rows: &[Row], command: &str) -> String {
    let contenders: Vec<_> = ORDER
        .into_iter()
        .filter(|against| rows.iter().any(|row| row.against == *against))
        .collect();
    let mut text = format!("{HEAD}\nMade by `{command}`.\n\n");
    let mut clients: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !clients.iter().any(|(client, _)| *client == row.client) {
            clients.push((row.client, &row.version));
        }
    }
    line(
        &mut text,
        "client",
        "version",
        contenders.iter().map(|c| c.name().to_owned()),
    );
    line(
        &mut text,
        "---",
        "---",
        contenders.iter().map(|_| "--:".to_owned()),
    );
    for (client, version) in &clients {
        let cells = contenders
            .iter()
            .map(|against| cell(rows, client, *against));
        line(&mut text, client, version, cells);
    }
    text.push_str(&lost(rows));
    text
}

const HEAD: &str = "# Real clients: requests lost while connections are drained

For platform engineers who want to know what draining does to the HTTP clients of their services. Generated; do not
edit.

A cell has the requests that failed, got no response or were executed twice, of ten thousand, then the number of
requests sent, then requests per connection. It covers those patterns of the command below that the client's library
can do. Every contender drains each connection after its second request. Behind each is the same server, which counts
every request id.

- `evenkeel`: Envoy 1.40 with the module, `max_requests_per_connection: 2`.
- `native`: Envoy 1.40 with `max_requests_per_connection: 2`.
- `lua`: Envoy 1.40 with a script that calls `drainConnectionUponCompletion` on every second response of a connection.
- `nginx`: Debian's nginx with `keepalive_requests 2`.
- `haproxy`: Debian's HAProxy 2.6 with `Connection: close` on every second response of a connection. Over HTTP/2 it
  has no such means and is reloaded every 200 ms instead, which drains far fewer connections.
- `none`: Envoy 1.40 that drains nothing: what fails here is the client's own failure.

*not drained*: in no pattern did a connection carry fewer requests than with `none`, so the cell says nothing about
draining. Where a proxy does not count its connections and the client does not either, the cell has no requests per
connection, and whether the client was drained is unknown. `–`: the contender cannot serve this client here.

Evenkeel defers the drain of some HTTP/2 clients until their connection is idle, because they lose requests to a
signal that comes while they are active. In `rests` each of four workers pauses for 1.5 s after five requests: these
clients are drained there.

A count of 0 in N requests does not prove that nothing is ever lost: with 95 % confidence the true rate is below 3/N.
";

/// Requests harmed per ten thousand, how many were sent, and how many one connection carried.
fn cell(rows: &[Row], client: &str, against: Against) -> String {
    let (mut asked, mut harmed, mut connections, mut counted) = (0, 0.0, 0, 0);
    let own = |row: &&Row| row.client == client && row.against == against;
    for row in rows.iter().filter(own) {
        asked += row.asked;
        harmed += row.harmed_per_10_000() * row.asked as f64;
        if let Some(n) = row.connections {
            connections += n;
            counted += row.asked;
        }
    }
    if asked == 0 {
        return "–".to_owned();
    }
    if against != Against::None && Drained::of(rows, client, against) == Drained::No {
        return format!("not drained ({asked})");
    }
    let harmed = harmed / asked as f64;
    let harmed = if harmed > 0.0 && harmed < 10.0 {
        format!("{harmed:.1}")
    } else {
        format!("{harmed:.0}")
    };
    match connections {
        0 => format!("{harmed} ({asked})"),
        n => format!("{harmed} ({asked}; {:.1})", counted as f64 / n as f64),
    }
}

fn line(text: &mut String, client: &str, version: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<_> = cells.collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {client} | {version} | {} |", cells.join(" | "));
}

/// What Evenkeel itself lost, with the errors and why.
fn lost(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut lines: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.against == Against::Evenkeel) {
        if row.is_whole() {
            continue;
        }
        let errors: Vec<_> = row
            .errors
            .iter()
            .map(|(e, n)| format!("{n} × {e}"))
            .collect();
        let why = Exemption::of(row.client, row.pattern)
            .map_or("a fault of the module", |exemption| exemption.reason);
        let alone = reference(rows, row).map_or(String::new(), |reference| {
            format!("; with `none` {} of {}", reference.failed, reference.asked)
        });
        lines.insert(
            (row.client, row.pattern),
            format!(
                "- {}, `{}`: {} of {} requests ({}){alone}: {why}.\n",
                row.client,
                row.pattern,
                row.failed,
                row.asked,
                errors.join(", ")
            ),
        );
    }
    if !lines.is_empty() {
        text.push_str("\n## What is lost with Evenkeel, and why\n\n");
        text.extend(lines.into_values());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(client: &'static str, against: Against, connections: u64) -> Row {
        Row {
            version: "1".to_owned(),
            asked: 100,
            sent: 100,
            ok: 100,
            executed: 100,
            connections: Some(connections),
            ..Row::blank(client, "get", against)
        }
    }

    fn cells(rows: &[Row], client: &str) -> Vec<String> {
        let page = render(rows, "a command");
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("| {client} ")))
            .unwrap();
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    }

    #[test]
    fn a_cell_tells_harm_samples_and_requests_per_connection() {
        let lossy = Row {
            failed: 1,
            ok: 99,
            ..row("a", Against::Native, 40)
        };
        let rows = [
            row("a", Against::Evenkeel, 50),
            lossy,
            row("a", Against::None, 1),
        ];

        assert_eq!(
            cells(&rows, "a"),
            ["a", "1", "0 (100; 2.0)", "100 (100; 2.5)", "0 (100; 100.0)"]
        );
    }

    #[test]
    fn a_client_that_is_as_undrained_as_with_none_is_told_so() {
        let rows = [row("a", Against::Evenkeel, 1), row("a", Against::None, 1)];

        assert_eq!(
            cells(&rows, "a"),
            ["a", "1", "not drained (100)", "0 (100; 100.0)"]
        );
    }

    #[test]
    fn a_loss_without_an_exemption_is_called_a_fault() {
        let lossy = Row {
            failed: 1,
            ok: 99,
            errors: BTreeMap::from([("reset".to_owned(), 1)]),
            ..row("a", Against::Evenkeel, 50)
        };

        let page = render(&[lossy, row("a", Against::None, 1)], "a command");

        let expected = "- a, `get`: 1 of 100 requests (1 × reset); with `none` 0 of 100: a fault of the module.";
        assert!(page.contains(expected), "{page}");
    }
}
