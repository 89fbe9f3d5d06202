//! `evenkeel check` as an operator types it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Run, evenkeel, evenkeel_reading, repository};

fn check(args: &[&str]) -> Run {
    evenkeel(&[&["check"], args].concat())
}

/// The file of that name in `policies/invalid`.
fn invalid(name: &str) -> String {
    repository(&format!("policies/invalid/{name}.json"))
}

/// The files of a directory that end so.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository(directory)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// What was found in a file, as JSON.
fn findings(file: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(&check(&["--format", "json", file]).stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

/// The text of a file from `start` to `end`.
fn underlined(file: &str, place: &Value) -> Option<String> {
    let text = fs::read_to_string(file).unwrap();
    let text = text.trim_start_matches('\u{feff}');
    let offset = |position: &Value| {
        let line = usize::try_from(position["line"].as_u64()?).unwrap();
        let column = usize::try_from(position["column"].as_u64()?).unwrap();
        let before: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let in_line = text[before..].char_indices().map(|(at, _)| at);
        let at = in_line.chain([text.len() - before]).nth(column - 1);
        Some(before + at.unwrap())
    };
    Some(text[offset(&place["start"])?..offset(&place["end"])?].to_owned())
}

fn written(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let file = directory.join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn every_invalid_policy_is_told_in_the_words_of_the_module() {
    let texts = files("policies/invalid", ".txt");
    assert!(texts.len() >= 20, "only {} cases", texts.len());
    for text in texts {
        let file = text.with_extension("json");
        let run = check(&[file.to_str().unwrap()]);

        assert_eq!(run.code, 1, "{}", file.display());
        for line in fs::read_to_string(&text).unwrap().lines() {
            let told = format!("]: {line}\n");
            assert!(
                run.stdout.contains(&told),
                "{line:?} is not in\n{}",
                run.stdout
            );
        }
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn what_is_underlined_is_what_is_wrong() {
    for (name, expected) in [
        ("bad-duration", &[r#""5 minutes""#][..]),
        (
            "bad-path-prefix",
            &[r#""/api/*""#, r#""api""#, r#""/api?v=1""#],
        ),
        ("bad-port", &["0", "65536", r#""5432""#]),
        ("budget-of-nothing", &["0", "0"]),
        ("camel-case-key", &[r#""maxAge""#]),
        ("comment", &["/"]),
        ("duplicate-keys", &[r#""max_age""#]),
        ("duplicate-names", &[r#""orders""#, r#""orders""#]),
        ("empty-match", &["{}"]),
        ("match-outside-match", &[r#""path_prefix""#]),
        ("min-age-over-max-age", &[r#""10m""#]),
        ("missing-comma", &["\""]),
        (
            "missing-match",
            &[r#"{ "max_age": "5m" }"#, r#"{ "max_age": "5m" }"#, "{}"],
        ),
        ("missing-version", &[r#"{ "mode": "observe" }"#]),
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
        ("shed-alone", &[r#""workers""#, r#""1h""#]),
        ("shed-tolerance-over-start", &["0.3"]),
        ("trailing-comma", &["}"]),
        ("truncated", &["t"]),
        ("unknown-word", &[r#""enforced""#, r#""both""#]),
        (
            "upstream-off",
            &[r#"{ "max_age": "off", "max_requests": "off" }"#],
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
fn every_mistake_but_an_empty_file_has_a_place() {
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
fn the_other_place_of_a_contradiction_is_shown_too() {
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
        one(3, r#""max_age""#, "first here")
    );
    assert_eq!(
        related("duplicate-names"),
        one(4, r#""orders""#, "`routes[0].name`")
    );
    assert_eq!(
        related("min-age-over-max-age"),
        one(1, r#""5m""#, "`defaults.max_age`")
    );
    assert_eq!(
        related("never-reached"),
        one(4, r#"{ "path_prefix": "/api" }"#, "`routes[0].match`")
    );
}

#[test]
fn a_key_that_stands_three_times_is_told_at_the_second_and_the_third() {
    let directory = tempfile::tempdir().unwrap();
    let text = "{\"version\": 1,\n\"mode\": \"observe\",\n\"mode\": 1,\n\"mode\": 2}";
    let file = written(directory.path(), "a.json", text);
    let lines: Vec<_> = findings(&file)
        .iter()
        .map(|finding| finding["start"]["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 4]);
}

#[test]
fn a_finding_looks_as_a_compiler_shows_it() {
    let run = evenkeel_reading(
        &["check", "-"],
        "{\n  \"version\": 1,\n  \"defaults\": { \"maxAge\": \"30m\", \"jitter\": 2 }\n}\n",
    );
    assert_eq!(
        run.stdout,
        "\
error[unknown-key]: defaults.maxAge: unknown key; did you mean `max_age`?
 --> <stdin>:3:17
  |
3 |   \"defaults\": { \"maxAge\": \"30m\", \"jitter\": 2 }
  |                 ^^^^^^^^
  |
help: write
  |
3 -   \"defaults\": { \"maxAge\": \"30m\", \"jitter\": 2 }
3 +   \"defaults\": { \"max_age\": \"30m\", \"jitter\": 2 }
  |

error[wrong-value]: defaults.jitter: found 2; it is a number from 0 to 1, the part of a limit by which it may come early
 --> <stdin>:3:44
  |
3 |   \"defaults\": { \"maxAge\": \"30m\", \"jitter\": 2 }
  |                                            ^

checked 1 policy: 2 errors, no warnings
"
    );
}

#[test]
fn no_real_policy_gets_a_warning() {
    let policies = files("policies", ".json");
    let policies = policies
        .iter()
        .map(|path| path.to_str().unwrap())
        .filter(|path| !path.ends_with(".schema.json"));
    let policies: Vec<_> = policies.collect();
    let run = check(&[&["--deny-warnings"], &policies[..]].concat());
    assert_eq!(run.code, 0, "{}", run.stdout);
    let summary = format!(
        "checked {} policies: no errors, no warnings, 1 note\n",
        policies.len()
    );
    assert!(run.stdout.ends_with(&summary), "{}", run.stdout);
    assert!(run.stdout.contains("note[observe-mode]"));
}

#[test]
fn warnings_count_where_they_are_denied_and_not_where_they_are_allowed() {
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
fn what_cannot_be_read_ends_it_with_2_and_the_others_are_checked() {
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
fn a_wrong_command_line_ends_with_2() {
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
fn marks_line_ends_tabs_and_wide_letters_move_no_place() {
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

#[test]
fn what_is_no_text_no_json_or_no_policy_is_told_with_what_to_do() {
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
            file(
                "plugin.json",
                br#"{"apiVersion": "x", "kind": "WasmPlugin", "spec": {}}"#,
            ),
            "jq .spec.pluginConfig",
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
fn a_flood_is_counted_to_the_end() {
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
fn the_budget_is_reckoned_for_as_many_connections_as_are_stated() {
    let text = r#"{"version": 1, "defaults": {"max_age": "10m"}, "budget": {"per_second": 2, "burst": 5}}"#;
    let few = evenkeel_reading(&["check", "--connections", "1000", "-"], text);
    let many = evenkeel_reading(&["check", "--connections", "5400", "-"], text);
    assert_eq!(few.stdout, "checked 1 policy: no errors, no warnings\n");
    for expected in [
        "warning[budget-too-small]: budget.per_second: 10 a second fall due under `defaults`, and 2 may go",
        "note: 5400 connections / 9m of mean life = 10 a second",
        "note: 5400 connections / 2 a second: they live for 45m on average",
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
fn json_has_the_files_the_findings_and_their_number() {
    let good = repository("policies/minimal.json");
    let bad = invalid("misspelt-key");
    let report: Value =
        serde_json::from_str(&check(&["--format", "json", &good, &bad]).stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "version": 1,
            "files": [{ "path": good, "valid": true }, { "path": bad, "valid": false }],
            "findings": [{
                "path": bad,
                "severity": "error",
                "code": "unknown-key",
                "message": "routes[1].match.path_prefx: unknown key; did you mean `path_prefix`?",
                "place": "routes[1].match.path_prefx",
                "start": { "line": 5, "column": 33 },
                "end": { "line": 5, "column": 45 },
                "related": [],
                "notes": [],
                "help": null,
                "fix": {
                    "start": { "line": 5, "column": 34 },
                    "end": { "line": 5, "column": 44 },
                    "text": "path_prefix",
                },
            }],
            "summary": { "errors": 1, "warnings": 0, "notes": 0 },
        })
    );
}

#[test]
fn sarif_is_what_its_schema_says_and_has_the_same_places() {
    // As OASIS published it, with the one pattern in it that its errata mend.
    let schema = include_str!("schema/sarif-2.1.0.json").replace(
        "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$",
        "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$",
    );
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unwise = written(
        directory.path(),
        "a b%.json",
        r#"{"version": 1, "mode": "observe", "defaults": {"jitter": 0}}"#,
    );
    let all: Vec<_> = files("policies/invalid", ".json");
    let mut args = vec!["--format", "sarif", &unwise, "no-such.json"];
    args.extend(all.iter().map(|path| path.to_str().unwrap()));

    let run = check(&args);

    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let problems: Vec<_> = schema
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let run = &report["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results[0]["ruleId"], "observe-mode");
    assert_eq!(
        (&results[0]["level"], &results[1]["level"]),
        (&json!("note"), &json!("warning"))
    );
    let location = &results[1]["locations"][0]["physicalLocation"];
    assert!(
        location["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .ends_with("/a%20b%25.json")
    );
    assert_eq!(
        location["region"],
        json!({ "startLine": 1, "startColumn": 58, "endLine": 1, "endColumn": 59 })
    );
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}

#[test]
fn github_gets_commands_with_everything_escaped() {
    let directory = tempfile::tempdir().unwrap();
    let file = written(
        directory.path(),
        "a,b:c%.json",
        "{\"version\": 1,\n\"defaults\": {\"jitter\": 0},\n\"x\": 1}",
    );
    let escaped = file
        .replace('%', "%25")
        .replace(':', "%3A")
        .replace(',', "%2C");
    let run = check(&["--format", "github", &file]);
    assert_eq!(
        run.stdout,
        format!(
            "::error file={escaped},line=3,col=1,endLine=3,endColumn=4,title=evenkeel unknown-key::x: unknown key; \
             known here are `$schema`, `version`, `role`, `mode`, `defaults`, `routes`, `connections`, `upstream`, \
             `budget`, `shed`, `peers`, `keepalive`\n"
        )
    );
    let warning = written(
        directory.path(),
        "w.json",
        r#"{"version": 1, "defaults": {"jitter": 0}}"#,
    );
    let run = check(&["--format", "github", &warning]);
    assert!(run.stdout.starts_with("::warning file="), "{}", run.stdout);
    assert!(
        run.stdout.contains("due together%0Aa rollout"),
        "{}",
        run.stdout
    );
    assert_eq!(run.stdout.lines().count(), 1);
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
