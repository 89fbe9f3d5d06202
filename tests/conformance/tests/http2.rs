//! HTTP/2, case by case of h2spec: its verdicts are the same with the module.

use std::env;
use std::io::{Write, stderr};
use std::path::Path;

use evenkeel_test_conformance::h2spec::{H2spec, Verdict, Verdicts};
use evenkeel_test_conformance::{Listener, Site};

/// Fewer would not be h2spec as it is pinned.
const CASES: usize = 145;

#[tokio::test]
async fn h2spec_judges_alike_with_and_without_the_module() {
    let Some(h2spec) = h2spec().await else {
        return;
    };
    let site = Site::start().await.unwrap();

    // Side by side: most of the time they wait for what does not come.
    let bare = || h2spec.run(site.address(Listener::Bare));
    let (first, second, third, watched, moved) = tokio::try_join!(
        bare(),
        bare(),
        bare(),
        h2spec.run(site.address(Listener::Watched)),
        h2spec.run(site.address(Listener::Moved)),
    )
    .unwrap();

    assert_eq!(first.len(), CASES);
    let passed = first.values().filter(|v| **v == Verdict::Passed).count();
    assert!(passed > CASES * 4 / 5, "{first:#?}");
    let bare = [first, second, third];
    agree(&bare, &watched);
    // Though every connection is told to end with its first answer: no case needs more of it.
    agree(&bare, &moved);
    assert!(site.announced().await.unwrap() > 0);
}

/// Every single case has the same verdict, to the frame that came. A case that fails may fail in two ways, by the frame
/// that should not have come or by the timeout behind it: in those that it has without the module, and no others.
fn agree(bare: &[Verdicts; 3], with_module: &Verdicts) {
    for verdicts in bare {
        assert!(verdicts.keys().eq(with_module.keys()));
    }
    let mut differences = Vec::new();
    for (name, verdict) in with_module {
        let without = bare.each_ref().map(|verdicts| &verdicts[name]);
        if !without.contains(&verdict) {
            differences.push(format!(
                "{name}\nwithout the module: {without:?}\nwith it: {verdict:?}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// None where there is no Go: but where CI is set, there must be.
async fn h2spec() -> Option<H2spec> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let h2spec = H2spec::build(directory).await.unwrap();
    if h2spec.is_none() {
        let what = "not run: h2spec: Go is not installed";
        let is_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
        assert!(!is_ci, "{what}; where CI is set, it must be");
        // Past the test harness, which would show it only where a test has failed.
        let _ = writeln!(stderr(), "{what}");
    }
    h2spec
}
