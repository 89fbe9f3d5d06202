//! `policies/invalid`: each file is rejected with the message in the `.txt` file of its name.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]
use evenkeel_policy::Policy;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn invalid() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policies/invalid")
}

/// The names of the files that end so, without the ending.
fn names(ending: &str) -> BTreeSet<String> {
    let names = fs::read_dir(invalid())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(ending)?.to_owned()))
        .collect()
}

#[test]
fn every_invalid_policy_gets_its_expected_message() {
    let names = names(".json");
    assert!(names.len() >= 20, "only {} cases", names.len());
    let mut wrong = String::new();
    for name in names {
        let text = fs::read(invalid().join(format!("{name}.json"))).unwrap();
        let expected =
            fs::read_to_string(invalid().join(format!("{name}.txt"))).unwrap_or_default();
        let message = match Policy::parse(&text) {
            Ok(_) => "it was accepted\n".to_owned(),
            Err(errors) => format!("{errors}\n"),
        };
        if message != expected {
            wrong.push_str(&format!(
                "{name}.txt should be:\n{message}and is:\n{expected}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_message_belongs_to_a_policy() {
    assert_eq!(names(".txt"), names(".json"));
}
