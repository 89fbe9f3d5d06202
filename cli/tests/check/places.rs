//! Positions and messages of errors.

use std::fs;

use serde_json::json;

use crate::{check, files, findings, invalid, underlined, written};

#[test]
fn every_invalid_policy_has_the_messages_of_the_module() {
    let texts = files("policies/invalid", ".txt");
    assert!(texts.len() >= 20, "only {} cases", texts.len());
    for text in texts {
        let file = text.with_extension("json");
        let run = check(&[file.to_str().unwrap()]);

        assert_eq!(run.code, 1, "{}", file.display());
        for line in fs::read_to_string(&text).unwrap().lines() {
            let title = format!("]: {line}\n");
            assert!(
                run.stdout.contains(&title),
                "{line:?} is not in\n{}",
                run.stdout
            );
        }
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn invalid_part_is_underlined() {
    for (name, expected) in [
        ("bad-duration", &[r#""5 minutes""#][..]),
        (
            "bad-path-prefix",
            &[r#""/api/*""#, r#""api""#, r#""/api?v=1""#],
        ),
        ("bad-port", &["0", "65536", r#""5432""#]),
        ("budget-of-nothing", &["0", "0"]),
        ("camel-case-key", &[r#""maxConnectionAge""#]),
        ("comment", &["/"]),
        ("duplicate-keys", &[r#""max_connection_age""#]),
        ("duplicate-names", &[r#""orders""#, r#""orders""#]),
        ("empty-match", &["{}"]),
        ("match-outside-match", &[r#""path_prefix""#]),
        ("min-age-over-max-age", &[r#""10m""#]),
        ("missing-comma", &["\""]),
        (
            "missing-match",
            &[
                r#"{ "max_connection_age": "5m" }"#,
                r#"{ "max_connection_age": "5m" }"#,
                "{}",
            ],
        ),
        ("missing-version", &[r#"{ "mode": "dry_run" }"#]),
        ("misspelt-key", &[r#""path_prefx""#]),
        (
            "never-reached",
            &[r#"{ "path_prefix": "/api/v2", "authority": "shop.example" }"#],
        ),
        ("not-an-object", &[r#"["version", 1]"#]),
        ("null-value", &["null"]),
        (
            "same-port-twice",
            &[r#"{ "port": 5432, "direction": "inbound" }"#],
        ),
        (
            "several",
            &[
                r#""mod""#,
                r#""half an hour""#,
                "1",
                r#""""#,
                "-0.1",
                "{}",
                r#""checkout""#,
            ],
        ),
        ("rebalance-alone", &[r#""workers""#, r#""1h""#]),
        ("rebalance-low-watermark-over-high", &["0.3"]),
        ("trailing-comma", &["}"]),
        ("truncated", &["t"]),
        ("unknown-word", &[r#""enforced""#, r#""both""#]),
        (
            "upstream-off",
            &[r#"{ "max_connection_age": "off", "max_requests_per_connection": "off" }"#],
        ),
        ("wrong-type", &[r#""true""#, r#""1000""#, "300", "{}"]),
    ] {
        let file = invalid(name);
        let found: Vec<_> = findings(&file)
            .iter()
            .map(|finding| underlined(&file, finding).unwrap())
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_error_but_an_empty_file_has_a_position() {
    for file in files("policies/invalid", ".json") {
        let is_empty = fs::read(&file).unwrap().trim_ascii().is_empty();
        let file = file.to_str().unwrap();
        for finding in findings(file) {
            assert_eq!(
                underlined(file, &finding).is_none(),
                is_empty,
                "{file}: {finding}"
            );
        }
    }
}

#[test]
fn other_value_of_a_conflict_is_shown() {
    let related = |name: &str| {
        let file = invalid(name);
        let findings = findings(&file);
        let related = findings[0]["related"].as_array().unwrap().clone();
        let shown = related.iter().map(|place| {
            let line = place["start"]["line"].as_u64().unwrap();
            (
                line,
                underlined(&file, place).unwrap(),
                place["message"].clone(),
            )
        });
        shown.collect::<Vec<_>>()
    };
    let one = |line, text: &str, label: &str| vec![(line, text.to_owned(), json!(label))];
    assert_eq!(
        related("duplicate-keys"),
        one(3, r#""max_connection_age""#, "first here")
    );
    assert_eq!(
        related("duplicate-names"),
        one(4, r#""orders""#, "`routes[0].name`")
    );
    assert_eq!(
        related("min-age-over-max-age"),
        one(1, r#""5m""#, "`defaults.max_connection_age`")
    );
    assert_eq!(
        related("never-reached"),
        one(4, r#"{ "path_prefix": "/api" }"#, "`routes[0].match`")
    );
}

#[test]
fn key_repeated_twice_is_reported_twice() {
    let directory = tempfile::tempdir().unwrap();
    let text = "{\"version\": 1,\n\"mode\": \"dry_run\",\n\"mode\": 1,\n\"mode\": 2}";
    let file = written(directory.path(), "a.json", text);
    let lines: Vec<_> = findings(&file)
        .iter()
        .map(|finding| finding["start"]["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4]);
}

#[test]
fn byte_order_mark_line_ends_tabs_and_wide_letters_keep_positions() {
    let directory = tempfile::tempdir().unwrap();
    let text = "\u{feff}{\r\n\t\"version\": 1,\r\n\t\"mode\": \"漢字é\", \"budget\": {\"burst\": 0}\r\n}\r\n";
    let file = written(directory.path(), "a.json", text);
    let found = findings(&file);
    assert_eq!(found[0]["start"], json!({ "line": 3, "column": 10 }));
    assert_eq!(found[0]["end"], json!({ "line": 3, "column": 15 }));
    assert_eq!(found[1]["start"], json!({ "line": 3, "column": 37 }));
    let shown = check(&[&file]).stdout;
    // A tab is shown as four columns, a Chinese letter takes two.
    let lines =
        "3 |     \"mode\": \"漢字é\", \"budget\": {\"burst\": 0}\n  |             ^^^^^^^\n";
    assert!(shown.contains(lines), "{shown}");
    assert!(!shown.contains('\r'));
}
