//! Pods of a service tell each other what they carry.

mod answering;
mod asking;
mod messages;
mod trust;

use std::time::Duration;

use evenkeel_test_host::HttpCall;
use evenkeel_test_module::pods::{Pod, peers};

const SECOND: Duration = Duration::from_secs(1);

fn pod(workers: usize) -> Pod {
    Pod::start("shop-1", workers, &peers(r#""mode": "enforce""#))
}

/// Another pod answers, and tells this.
fn answer(question: HttpCall, words: impl AsRef<[u8]>) {
    question.answer(&[(":status", "200")], words);
}
