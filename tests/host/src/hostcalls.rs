//! The functions of the ABI that the module imports.

mod bytes;
mod plugin;
mod streams;

use crate::abi::{Failure, Status};
use crate::state::VmState;
use wasmtime::{Caller, Linker, Result};

/// Adds all functions to `linker`.
pub(crate) fn define(linker: &mut Linker<VmState>) {
    plugin::define(linker)
        .and_then(|()| bytes::define(linker))
        .and_then(|()| streams::define(linker))
        .expect("each function is defined once");
}

/// Runs a hostcall: counts it and converts its result into a status.
pub(super) fn run(
    vm: &mut Caller<'_, VmState>,
    name: &'static str,
    call: impl FnOnce(&mut Caller<'_, VmState>) -> Result<(), Failure>,
) -> Result<u32> {
    vm.data().world.borrow_mut().counts.called(name);
    match call(vm) {
        Ok(()) => Ok(0),
        Err(Failure::Status(status)) => Ok(status as u32),
        Err(Failure::Trap(error)) => Err(error),
    }
}

/// Defines `proxy_*` functions: a name, its arguments (32 bits by default), and its implementation.
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

/// An argument is invalid.
pub(super) const BAD_ARGUMENT: Failure = Failure::Status(Status::BadArgument);
