//! One worker's instance of the module, and Envoy's rules for entering it.

mod deferred;
mod http;
mod life;

use crate::hostcalls;
use crate::state::{Deferred, VmState};
use crate::world::{Shared, World};
use std::collections::HashMap;
use wasmtime::{Extern, Func, ImportType, Linker, Module, Store, Val};

/// The callbacks that Envoy looks for. A module exports those that it has a use for.
const CALLBACKS: [&str; 19] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_connection_close",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
];

/// How an entry ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The module has no such export: Envoy goes on as if it were content.
    Skipped,
    /// What it returned; 0 for a callback that returns nothing.
    Returned(u32),
    /// The VM is dead, now or already.
    Dead,
}

struct Callback {
    function: Func,
    results: usize,
}

pub(crate) struct Vm {
    pub(crate) store: Store<VmState>,
    callbacks: HashMap<&'static str, Callback>,
    death: Option<String>,
    depth: usize,
    deepest: usize,
}

impl Vm {
    /// Instantiates the module and runs its start function.
    pub(crate) fn new(module: &Module, worker: usize, world: Shared<World>) -> Self {
        let mut linker = Linker::new(module.engine());
        hostcalls::define(&mut linker);
        let mut store = Store::new(module.engine(), VmState::new(worker, world));
        let missing: Vec<ImportType<'_>> = module
            .imports()
            .filter(|import| linker.get_by_import(&mut store, import).is_none())
            .collect();
        let unknown = hostcalls::define_unmodelled(&mut linker, &missing);
        assert!(
            unknown.is_empty(),
            "the module imports what the host has not: {}",
            unknown.join(", ")
        );

        store.data_mut().restricted = true;
        let instance = linker
            .instantiate(&mut store, module)
            .unwrap_or_else(|error| panic!("the module does not instantiate: {error:?}"));
        let memory = instance
            .get_memory(&mut store, "memory")
            .expect("a module exports its memory");
        let malloc = ["malloc", "proxy_on_memory_allocate"]
            .into_iter()
            .find_map(|name| instance.get_typed_func::<u32, u32>(&mut store, name).ok())
            .expect("a module exports malloc or proxy_on_memory_allocate");
        store.data_mut().memory = Some(memory);
        store.data_mut().malloc = Some(malloc);

        let mut callbacks = HashMap::new();
        for name in CALLBACKS {
            if let Some(Extern::Func(function)) = instance.get_export(&mut store, name) {
                let results = function.ty(&store).results().len();
                callbacks.insert(name, Callback { function, results });
            }
        }
        let mut vm = Self {
            store,
            callbacks,
            death: None,
            depth: 0,
            deepest: 0,
        };
        let reactor = instance.get_func(&mut vm.store, "_initialize").is_some();
        for name in if reactor {
            ["_initialize", "__main_void"]
        } else {
            ["_start", ""]
        } {
            if let Ok(function) = instance.get_typed_func::<(), ()>(&mut vm.store, name)
                && let Err(error) = function.call(&mut vm.store, ())
            {
                vm.die(name, &error);
            }
        }
        vm.store.data_mut().restricted = false;
        vm
    }

    /// Calls `export` for `context` with `arguments` after the context id, then does what its hostcalls
    /// asked to be done afterwards. Those actions may enter again: as in Envoy they nest, so that many
    /// of them are a deep stack.
    pub(crate) fn enter(
        &mut self,
        export: &'static str,
        context: u32,
        arguments: &[u32],
    ) -> Entered {
        if self.death.is_some() {
            return Entered::Dead;
        }
        let Some(callback) = self.callbacks.get(export) else {
            return Entered::Skipped;
        };
        self.store.data().world.borrow_mut().counts.entered(export);
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);

        let values: Vec<Val> = [context]
            .iter()
            .chain(arguments)
            .map(|value| Val::I32(value.cast_signed()))
            .collect();
        let mut results = vec![Val::I32(0); callback.results];
        let before = self.store.data_mut().speak_as(context);
        let outcome = callback
            .function
            .call(&mut self.store, &values, &mut results);
        self.store.data_mut().speak_again_as(before);
        if let Err(error) = outcome {
            self.die(export, &error);
        }
        let returned = results
            .first()
            .and_then(Val::i32)
            .unwrap_or(0)
            .cast_unsigned();
        let stopped = std::mem::take(&mut self.store.data_mut().stop_iteration);
        while let Some(action) = self.next_deferred() {
            self.perform(action);
        }

        self.depth -= 1;
        if self.depth == 0 {
            self.store.data().world.borrow().check();
        }
        match self.death {
            Some(_) => Entered::Dead,
            None => Entered::Returned(if stopped { 1 } else { returned }),
        }
    }

    /// Why the VM died, if it did.
    pub(crate) fn death(&self) -> Option<&str> {
        self.death.as_deref()
    }

    /// How many entries were ever open at once, one inside the other's afterwards.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// The size of its linear memory. It never shrinks.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store
            .data()
            .memory
            .map_or(0, |memory| memory.data_size(&self.store))
    }

    pub(crate) fn state(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    fn next_deferred(&mut self) -> Option<Deferred> {
        self.state().deferred.pop_front()
    }

    /// As in Envoy the VM is lost with all that it held. A test that did not say so fails.
    fn die(&mut self, export: &str, error: &wasmtime::Error) {
        let death = format!("the module crashed in {export}: {error:?}");
        let world = self.store.data().world.clone();
        if !world.borrow().crashes_are_expected {
            world.borrow().fail(&death);
        }
        self.death = Some(death);
    }
}
