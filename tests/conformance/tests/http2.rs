//! HTTP/2: the verdicts of h2spec are the same with the module.

use std::env;
use std::io::{Write, stderr};
use std::path::Path;

use evenkeel_test_conformance::h2spec::{H2spec, Verdict, Verdicts};
use evenkeel_test_conformance::{Listener, Relay, Site};

/// The number of cases of the pinned h2spec.
const CASES: usize = 145;

#[tokio::test]
async fn h2spec_verdicts_are_the_same_with_and_without_the_module() {
    let Some(h2spec) = h2spec().await else {
        return;
    };
    let site = Site::start().await.unwrap();
    let relay = Relay::start(site.address(Listener::Draining));
    let relay = relay.await.unwrap();

    // Concurrently: most of the time they wait for a timeout.
    let bare = || h2spec.run(site.address(Listener::Bare));
    let (first, second, third, watched, draining) = tokio::try_join!(
        bare(),
        bare(),
        bare(),
        h2spec.run(site.address(Listener::Watched)),
        h2spec.run(relay.address()),
    )
    .unwrap();

    assert_eq!(first.len(), CASES);
    let passed = first.values().filter(|v| **v == Verdict::Passed).count();
    assert!(passed > CASES * 4 / 5, "{first:#?}");
    let bare = [first, second, third];
    agree(&bare, &watched, &["Timeout"]);
    // Every connection is drained with its first response, so the module's PING may be the frame that comes.
    agree(&bare, &draining, &["Timeout", "PING Frame"]);
    assert!(site.drain_signals().await.unwrap() > 0);
}

/// Every case has the same verdict, with the same frame. A failed case may end with one of `others` instead: with a timeout, or
/// with a frame of the module.
fn agree(bare: &[Verdicts; 3], with_module: &Verdicts, others: &[&str]) {
    for verdicts in bare {
        assert!(verdicts.keys().eq(with_module.keys()));
    }
    let mut differences = Vec::new();
    for (name, verdict) in with_module {
        let without = bare.each_ref().map(|verdicts| &verdicts[name]);
        if !without.iter().any(|other| fits(other, verdict, others)) {
            differences.push(format!(
                "{name}\nwithout the module: {without:?}\nwith it: {verdict:?}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The verdict with the module is equal, or differs only in the received frame.
fn fits(without: &Verdict, with_module: &Verdict, others: &[&str]) -> bool {
    match (without, with_module) {
        (Verdict::Failed(without), Verdict::Failed(with_module)) => {
            let (expected, actual) = parts(with_module);
            without == with_module
                || (parts(without).0 == expected && others.iter().any(|it| actual.starts_with(it)))
        }
        // h2spec takes the module's PING for a wrong acknowledgement of its PING.
        (Verdict::Passed, Verdict::Failed(with_module)) => {
            let (_, actual) = parts(with_module);
            others
                .iter()
                .any(|it| it.starts_with("PING") && actual.starts_with(it))
                && actual.contains("opaque_data: evkeel")
        }
        (without, with_module) => without == with_module,
    }
}

/// Returns the expected and the actual behavior.
fn parts(verdict: &str) -> (&str, &str) {
    verdict.rsplit_once('\n').unwrap_or(("", verdict))
}

/// Returns h2spec, or None without Go; in CI, Go is required.
async fn h2spec() -> Option<H2spec> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let h2spec = H2spec::build(directory).await.unwrap();
    if h2spec.is_none() {
        let what = "not run: h2spec: Go is not installed";
        let is_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
        assert!(!is_ci, "{what}; where CI is set, it must be");
        // The test harness would show it only when the test fails.
        let _ = writeln!(stderr(), "{what}");
    }
    h2spec
}
