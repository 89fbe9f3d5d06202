//! The size of the module and of its functions.

use std::fs;

use evenkeel_test_host::module;
use wasmparser::{Parser, Payload};

use crate::cost::has_other_profile;

/// The largest module that is accepted, in KiB. Every proxy compiles all of it when it starts, which `cargo xtask bench --envoy` measures.
const MAX: u64 = 389;

/// The largest function that is accepted, in bytes; the largest one is that of the allocator. The compiler of Envoy needs more
/// memory for a large function than for several small ones.
const MAX_FUNCTION: usize = 4700;

#[test]
fn module_is_within_its_bound() {
    let path = module();
    let size = fs::metadata(&path).expect("the module exists").len();
    let size = size.div_ceil(1024);
    assert!(
        size <= MAX || has_other_profile(),
        "{} has {size} KiB, more than {MAX}. To find what grew, compare the sizes of functions (`twiggy top`) with those \
         of an earlier module; built with CARGO_PROFILE_WASM_STRIP=none, a module has their names. Each instantiation of a \
         map, a sort or a derived reader takes 3 to 10 KiB, and the largest functions determine how much memory Envoy's \
         compiler needs.",
        path.display()
    );
}

#[test]
fn functions_are_within_their_bound() {
    let path = module();
    let bytes = fs::read(&path).expect("the module exists");
    let sizes = Parser::new(0)
        .parse_all(&bytes)
        .map(|payload| payload.expect("the module is valid"))
        .filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body.range().len()),
            _ => None,
        });
    let largest = sizes.max().expect("the module has functions");
    assert!(
        largest <= MAX_FUNCTION || has_other_profile(),
        "a function of {} has {largest} bytes, more than {MAX_FUNCTION}. `twiggy top` on a module that was built with \
         CARGO_PROFILE_WASM_STRIP=none shows which one. Keep rare parts of it out of line (`#[inline(never)]`).",
        path.display()
    );
}
