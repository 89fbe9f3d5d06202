//! Findings and exit codes.

use serde_json::json;

use crate::support::evenkeel_reading;
use crate::{check, files, findings, invalid, written};

#[test]
fn shipped_policies_have_no_warning_and_their_schema_is_skipped() {
    let policies = files("policies", ".json");
    let policies: Vec<_> = policies.iter().map(|path| path.to_str().unwrap()).collect();
    let run = check(&[&["--deny-warnings"], &policies[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stdout);
    let summary = format!(
        "checked {} policies: no errors, no warnings, 2 notes\n",
        policies.len() - 1
    );
    assert!(run.stdout.ends_with(&summary), "{}", run.stdout);
    assert!(run.stdout.contains("note[dry-run]"));
    let skipped = "note[json-schema]: the file is a JSON schema, not a policy; it is skipped";
    assert!(run.stdout.contains(skipped), "{}", run.stdout);
}

#[test]
fn warnings_fail_only_if_denied() {
    let text = r#"{"version": 1, "defaults": {"jitter": 0}}"#;
    assert_eq!(evenkeel_reading(&["check", "-"], text).code, 0);
    assert_eq!(
        evenkeel_reading(&["check", "--deny-warnings", "-"], text).code,
        1
    );
    let allowed = ["check", "--deny-warnings", "--allow", "no-jitter", "-"];
    let run = evenkeel_reading(&allowed, text);
    assert_eq!(run.code, 0);
    assert_eq!(run.stdout, "checked 1 policy: no errors, no warnings\n");
}

#[test]
fn unreadable_files_end_with_2_and_the_others_are_checked() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().to_str().unwrap();
    let missing = format!("{directory}/no-such.json");
    let run = check(&[&missing, directory, &invalid("misspelt-key")]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr
            .contains(&format!("cannot read {missing}: No such file")),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!("{directory}/*.json")),
        "{}",
        run.stderr
    );
    assert!(
        run.stdout
            .ends_with("checked 1 policy: 1 error, no warnings\n")
    );
}

#[test]
fn usage_errors_end_with_2() {
    for (args, expected) in [
        (&[][..], "<FILE>"),
        (&["--format", "xml", "a.json"], "sarif"),
        (&["--allow", "everything", "a.json"], "everything"),
        (&["--connections", "0", "a.json"], "1..=10000000"),
    ] {
        let run = check(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn invalid_files_are_reported_with_help() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| written(directory.path(), name, bytes);
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(1024 * 1024));
    for (file, expected) in [
        (file("empty.json", b""), "the smallest is {\"version\": 1}"),
        (
            file("latin.json", b"{\"version\": 1, \"mode\": \"\xff\"}"),
            "expected UTF-8",
        ),
        (file("utf16.json", b"\xff\xfe{\0}\0"), "save it as UTF-8"),
        (
            file("long.json", long.as_bytes()),
            "longer than 1048576 bytes",
        ),
        (file("policy.yaml", b"version: 1\n"), "yq -o json"),
        (file("unnamed", b"---\nversion: 1\n"), "yq -o json"),
        (
            file("comment.json", b"{\n  // all\n  \"version\": 1}"),
            "JSON has no comments",
        ),
        (
            file(
                "plugin.json",
                br#"{"apiVersion": "x", "kind": "WasmPlugin", "spec": {}}"#,
            ),
            "searched `pluginConfig` of WasmPlugin",
        ),
        (
            file("deep.json", "[".repeat(100_000).as_bytes()),
            "nested too deep",
        ),
        (
            file("nul.json", b"{\"version\": 1, \"a\0\": 1}"),
            "control character",
        ),
    ] {
        let run = check(&[&file]);
        assert_eq!(run.code, 1, "{file}: {}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(expected), "{file}: {}", run.stdout);
    }
    let latin = directory.path().join("latin.json");
    let at = &findings(latin.to_str().unwrap())[0]["start"];
    assert_eq!(*at, json!({ "line": 1, "column": 25 }));
}

#[test]
fn all_errors_are_counted() {
    let keys: Vec<_> = (0..60).map(|n| format!("\"key-{n}\": 1")).collect();
    let run = evenkeel_reading(
        &["check", "-"],
        &format!("{{\"version\": 1, {}}}", keys.join(",")),
    );
    assert!(run.stdout.contains("error[more]: and 10 more\n"));
    assert!(
        run.stdout
            .ends_with("checked 1 policy: 60 errors, no warnings\n")
    );
}

#[test]
fn budget_is_checked_for_the_stated_connections() {
    let text = r#"{"version": 1, "defaults": {"max_connection_age": "10m"}, "budget": {"per_second": 2, "burst": 5}}"#;
    let few = evenkeel_reading(&["check", "--connections", "1000", "-"], text);
    let many = evenkeel_reading(&["check", "--connections", "5400", "-"], text);
    assert_eq!(few.stdout, "checked 1 policy: no errors, no warnings\n");
    for expected in [
        "warning[budget-too-small]: budget.per_second: 10 per second expire under `defaults`, but 2 may be drained",
        "note: 5400 connections / 9m of mean lifetime = 10 per second",
        "note: 5400 connections / 2 per second: they live for 45m on average",
        "help: raise `per_second` to 10 or more",
    ] {
        assert!(
            many.stdout.contains(expected),
            "{expected}: {}",
            many.stdout
        );
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = check(&["--help"]).stdout;
    for expected in [
        "Examples:",
        "evenkeel check --format github policy.json",
        "Exit codes:",
    ] {
        assert!(help.contains(expected), "{help}");
    }
}
