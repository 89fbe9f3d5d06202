//! The memory of connections.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn closed_connections_leave_no_memory() {
    let mut story =
        Story::rule(json!({"max_connection_age": "60s", "max_requests_per_connection": 2}));
    let mut most = 0;
    for id in 0..1_000_000 {
        let opened = story.open(id);
        story.exchange(opened, 1);
        if id >= 100 {
            story.engine.closed(ConnectionId(id - 100));
        }
        most = most.max(story.engine.len()).max(story.engine.timers());
    }
    for id in 999_900..1_000_000 {
        story.engine.closed(ConnectionId(id));
    }
    assert_eq!(
        (
            most,
            story.engine.len(),
            story.engine.timers(),
            story.effects().len()
        ),
        (100, 0, 0, 0)
    );
}

#[test]
fn size_of_a_connection_is_bounded() {
    let bytes = size_of::<crate::connection::Connection>();
    let most = if cfg!(target_pointer_width = "32") {
        256
    } else {
        280
    };
    assert!(bytes <= most, "{bytes}");
}
