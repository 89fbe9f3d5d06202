//! The functions that a module may import: the ABI on one side, the host's state on the other.
//!
//! Shared queues, gRPC and foreign functions are not modelled, because no module under test uses them.
//! The Rust SDK leaves their imports in a module, so they may be imported, but a call is a trap.

mod bytes;
mod headers;
mod plugin;
mod streams;

use crate::abi::{Refusal, Status};
use crate::state::VmState;
use wasmtime::{Caller, ImportType, Linker, Result, Val};

/// Adds all functions to `linker`.
pub(crate) fn define(linker: &mut Linker<VmState>) {
    plugin::define(linker)
        .and_then(|()| bytes::define(linker))
        .and_then(|()| headers::define(linker))
        .and_then(|()| streams::define(linker))
        .expect("each function is defined once");
}

/// The functions of Envoy that this host does not model.
const UNMODELLED: [&str; 10] = [
    "proxy_call_foreign_function",
    "proxy_dequeue_shared_queue",
    "proxy_enqueue_shared_queue",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
];

/// Makes those of `missing` that Envoy has trap with their name. Returns the names of the others.
pub(crate) fn define_unmodelled(
    linker: &mut Linker<VmState>,
    missing: &[ImportType<'_>],
) -> Vec<String> {
    let mut unknown = Vec::new();
    for import in missing {
        let known = UNMODELLED.iter().find(|name| **name == import.name());
        match (import.module(), known, import.ty().func()) {
            ("env", Some(name), Some(ty)) => {
                let trap = move |_: Caller<'_, VmState>, _: &[Val], _: &mut [Val]| {
                    Err(wasmtime::Error::msg(format!(
                        "the test host does not model {name}"
                    )))
                };
                linker
                    .func_new("env", name, ty.clone(), trap)
                    .expect("each function is defined once");
            }
            (module, _, _) => unknown.push(format!("{module}.{}", import.name())),
        }
    }
    unknown
}

/// Runs one hostcall: counts it, rejects it where Envoy does, and converts its result into a status.
pub(super) fn run(
    vm: &mut Caller<'_, VmState>,
    name: &'static str,
    call: impl FnOnce(&mut Caller<'_, VmState>) -> Result<(), Refusal>,
) -> Result<u32> {
    vm.data().world.borrow_mut().counts.called(name);
    if vm.data().restricted && name != "proxy_log" {
        return Err(wasmtime::Error::msg(format!(
            "{name} may not be called at start or in an allocation"
        )));
    }
    match call(vm) {
        Ok(()) => Ok(0),
        Err(Refusal::Status(status)) => Ok(status as u32),
        Err(Refusal::Trap(error)) => Err(error),
    }
}

/// Defines `proxy_*` functions: a name, its arguments (32 bits if not said otherwise), what it does.
macro_rules! hostcalls {
    ($linker:ident: $($name:literal ($vm:ident $(, $argument:ident $(: $type:ty)?)*) $body:block)*) => {{
        $(
            $linker.func_wrap(
                "env",
                $name,
                |mut caller: wasmtime::Caller<'_, crate::state::VmState>
                 $(, $argument: $crate::hostcalls::width!($($type)?))*| {
                    crate::hostcalls::run(&mut caller, $name, |$vm| {
                        $body;
                        Ok(())
                    })
                },
            )?;
        )*
        Ok(())
    }};
}
macro_rules! width {
    () => {
        u32
    };
    ($type:ty) => {
        $type
    };
}
use {hostcalls, width};

/// An argument that names something that does not exist.
pub(super) const BAD_ARGUMENT: Refusal = Refusal::Status(Status::BadArgument);
