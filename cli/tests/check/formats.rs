//! The output formats.

use serde_json::{Value, json};

use crate::support::{evenkeel_reading, repository};
use crate::{check, files, invalid, written};

#[test]
fn finding_is_rendered_as_by_rustc() {
    let run = evenkeel_reading(
        &["check", "-"],
        "{\n  \"version\": 1,\n  \"defaults\": { \"max_conection_age\": \"30m\", \"jitter\": 2 }\n}\n",
    );
    assert_eq!(
        run.stdout,
        "\
error[unknown-key]: defaults.max_conection_age: unknown key; did you mean `max_connection_age`?
 --> <stdin>:3:17
  |
3 |   \"defaults\": { \"max_conection_age\": \"30m\", \"jitter\": 2 }
  |                 ^^^^^^^^^^^^^^^^^^^
  |
help: write
  |
3 |   \"defaults\": { \"max_connection_age\": \"30m\", \"jitter\": 2 }
  |                         +

error[wrong-value]: defaults.jitter: found 2; it must be a number from 0 to 1, the fraction of a limit by which a connection may be drained earlier
 --> <stdin>:3:55
  |
3 |   \"defaults\": { \"max_conection_age\": \"30m\", \"jitter\": 2 }
  |                                                       ^

checked 1 policy: 2 errors, no warnings
"
    );
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
                "object": null,
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
fn sarif_is_valid_and_has_the_same_positions() {
    // The schema of OASIS, with one pattern corrected by its errata.
    let schema = include_str!("../schema/sarif-2.1.0.json").replace(
        "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$",
        "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$",
    );
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let unwise = written(
        directory.path(),
        "a b%.json",
        r#"{"version": 1, "mode": "dry_run", "defaults": {"jitter": 0}}"#,
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
    assert_eq!(results[0]["ruleId"], "dry-run");
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
             the keys here are `$schema`, `version`, `role`, `mode`, `defaults`, `routes`, `tcp`, `upstream`, \
             `budget`, `rebalance`, `peers`, `keepalive`\n"
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
        run.stdout.contains("expire together%0Aa rollout"),
        "{}",
        run.stdout
    );
    assert_eq!(run.stdout.lines().count(), 1);
}
