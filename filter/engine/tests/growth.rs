//! How much memory one accepted connection may allocate or move, however many are open.
//!
//! An allocator that counts shows what a hash map that grows would cost: with 200,000 connections it allocates
//! and copies tens of megabytes at once, and the worker serves nothing meanwhile.
#![cfg(not(target_arch = "wasm32"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

use evenkeel_engine::{ConnectionId, Engine, Instant, Origin};
use evenkeel_policy::{Direction, Mode, Policy};

struct Counting;

thread_local! {
    /// The bytes that this thread has allocated, or may have copied to a larger place, since the last [`take`].
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static MOVED: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.with(|bytes| bytes.set(bytes.get().saturating_add(layout.size())));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.with(|bytes| bytes.set(bytes.get().saturating_add(size)));
        MOVED.with(|bytes| bytes.set(bytes.get().saturating_add(layout.size())));
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Bytes allocated and moved since the last call.
fn take() -> (usize, usize) {
    (
        ALLOCATED.with(|bytes| bytes.replace(0)),
        MOVED.with(|bytes| bytes.replace(0)),
    )
}

#[test]
fn accepting_a_connection_allocates_and_moves_little_however_many_are_open() {
    let text = br#"{"version": 1, "defaults": {"max_connection_age": "10m"}}"#;
    let policy = Policy::parse(text).unwrap();
    let origin = Origin {
        policy: 1,
        direction: Direction::Inbound,
        port: 0,
    };
    let mut engine = Engine::default();
    let (mut allocated, mut moved) = (0, 0);

    for id in 0..200_000 {
        let rule = Some(Rc::clone(&policy.defaults));
        take();
        engine.open(ConnectionId(id), origin, rule, Mode::Enforce, id);
        let (now_allocated, now_moved) = take();
        allocated = allocated.max(now_allocated);
        moved = moved.max(now_moved);
    }

    assert_eq!(engine.len(), 200_000);
    // A chunk of 256 connections and one of 256 buckets, and the lists of chunks.
    assert!(allocated < 160 * 1024, "{allocated}");
    // The lists of chunks alone: two entries for 256 connections.
    assert!(moved < 26 * 1024, "{moved}");
    assert_eq!(engine.now(), Instant::default());
}
