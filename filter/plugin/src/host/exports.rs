//! The callbacks that the host calls, and the memory that it asks for. A callback that is added here has to
//! be named in `xtask/src/trim.rs`.

#![expect(
    unsafe_code,
    reason = "the host finds exports by their unmangled names, which are unsafe to declare: each occurs once; \
              and it allocates in the module's memory by `malloc`"
)]

use core::ptr;
use std::alloc::{Layout, alloc};
use std::panic;
use std::rc::Rc;

use super::Host;
use super::Level;
use super::envoy::Envoy;
use crate::vm::{ClosedBy, Vm};

/// The ABI's "hand it to the next filter".
const CONTINUE: u32 = 0;

/// The ABI's "hold it back".
const PAUSE: u32 = 1;

thread_local! {
    /// Leaked, because the host ends the VM as a whole: the code that drops all state would never run.
    static VM: &'static Vm = Box::leak(Box::new(Vm::new(Rc::new(Envoy))));
}

/// Tells the host which ABI this is; never called.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // What can panic does not compile here, but the standard library and other crates may hold a panic:
    // the log says where it was before the VM dies.
    panic::set_hook(Box::new(|info| {
        Envoy.log(Level::Critical, &info.to_string());
    }));
}

/// Allocates what `envoy::bytes` takes over as a Vec: `size` bytes, aligned to 1. Null, which the host
/// reports as an error of the hostcall in hand, when there is no memory.
#[unsafe(export_name = "malloc")]
pub extern "C" fn allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the layout's size is not zero.
        Ok(layout) if size > 0 => unsafe { alloc(layout) },
        _ => ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    VM.with(|vm| vm.context_created(context, root));
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(context: u32) {
    VM.with(|vm| vm.context_deleted(context));
}

/// Always true: Envoy would refuse traffic otherwise, and a bad policy never touches traffic.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(root: u32, size: usize) -> u32 {
    VM.with(|vm| vm.configured(root, size));
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_tick(root: u32) {
    VM.with(|vm| vm.ticked(root));
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_downstream_data(context: u32, size: usize, _is_last: u32) -> u32 {
    VM.with(|vm| vm.client_data(context, size));
    CONTINUE
}

/// Never holds a write back: a network filter has no way to go on with it.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_upstream_data(context: u32, size: usize, _is_last: u32) -> u32 {
    VM.with(|vm| vm.server_data(context, size));
    CONTINUE
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_downstream_connection_close(context: u32, peer: u32) {
    /// The ABI's number for the other end.
    const REMOTE: u32 = 2;
    let by = if peer == REMOTE {
        ClosedBy::Client
    } else {
        ClosedBy::Proxy
    };
    VM.with(|vm| vm.connection_closed(context, by));
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(context: u32, _count: usize, is_last: u32) -> u32 {
    if VM.with(|vm| vm.request_headers(context, is_last != 0)) {
        PAUSE
    } else {
        CONTINUE
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_headers(context: u32, _count: usize, _is_last: u32) -> u32 {
    VM.with(|vm| vm.response_headers(context));
    CONTINUE
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_http_call_response(
    root: u32,
    _token: u32,
    headers: usize,
    size: usize,
    _trailers: usize,
) {
    VM.with(|vm| vm.http_call_responded(root, headers, size));
}
