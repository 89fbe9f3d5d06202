//! The contenders side by side, as a page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::known;
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
        let cells = contenders.iter().map(|against| {
            let own = |row: &&Row| row.client == *client && row.against == *against;
            cell(rows.iter().filter(own))
        });
        line(&mut text, client, version, cells);
    }
    text.push_str(&lost(rows));
    text
}

const HEAD: &str = "# No request is lost: real clients, side by side

Generated; do not edit. Requests that failed, were never answered or ran twice, of ten thousand, over those patterns
of the command below that the client has means for. Every contender ends each connection after its second request.
Behind each is the same server, which counts every request id.

- `evenkeel`: Envoy 1.40 with the module, `max_requests: 2`.
- `native`: Envoy 1.40 with `max_requests_per_connection: 2`.
- `lua`: Envoy 1.40 with a script that calls `drainConnectionUponCompletion` on every second answer of a connection.
- `nginx`: Debian's nginx with `keepalive_requests 2`.
- `haproxy`: Debian's HAProxy 2.6 with `Connection: close` on every second answer of a connection. Over HTTP/2 it has
  no such means and is reloaded every 200 ms instead, which ends far fewer connections.
- `none`: Envoy 1.40 that ends nothing: what fails here is the client's own doing.

In brackets: requests per connection. They tell how much was moved at all: who moves nothing loses nothing. Evenkeel
puts off some HTTP/2 clients until they are at rest, because any announcement to them while they are at work loses
requests, as the other columns show.
";

/// Harm per ten thousand, and how many requests one connection carried.
fn cell<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let (mut asked, mut harmed, mut connections, mut counted) = (0, 0.0, 0, 0);
    for row in rows {
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
    let harmed = harmed / asked as f64;
    let harmed = if harmed > 0.0 && harmed < 10.0 {
        format!("{harmed:.1}")
    } else {
        format!("{harmed:.0}")
    };
    match connections {
        0 => harmed,
        n => format!("{harmed} ({:.1})", counted as f64 / n as f64),
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
        let why = known::reason(row.client, row.pattern).unwrap_or("no reason is known");
        lines.insert(
            (row.client, row.pattern),
            format!(
                "- {}, `{}`: {} of {} requests ({}): {why}.\n",
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
