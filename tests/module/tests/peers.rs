//! Gossip between the pods of a service.

mod messages;
mod requests;
mod responses;
mod trust;

use std::time::Duration;

use evenkeel_test_host::HttpCall;
use evenkeel_test_module::pods::{Pod, peers};

const SECOND: Duration = Duration::from_secs(1);

fn pod(workers: usize) -> Pod {
    Pod::start("shop-1", workers, &peers(r#""mode": "enforce""#))
}

/// Another pod responds with this message.
fn respond(call: HttpCall, words: impl AsRef<[u8]>) {
    call.respond(&[(":status", "200")], words);
}
