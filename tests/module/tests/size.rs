//! The size of the module.

use std::fs;

use evenkeel_test_host::module;

use crate::cost::has_other_profile;

/// The largest module that is accepted, in KiB. Every proxy compiles all of it when it starts, which `cargo xtask bench --envoy` measures.
const MAX: u64 = 391;

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
