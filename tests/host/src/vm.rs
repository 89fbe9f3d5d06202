//! A worker's instance of the module, and Envoy's rules for entering it.

mod deferred;
mod http;
mod life;

use crate::hostcalls;
use crate::state::{Deferred, VmState};
use crate::world::{Shared, World};
use std::collections::HashMap;
use wasmtime::{Extern, Func, Linker, Module, Store, Val};

/// The callbacks that the host calls.
const CALLBACKS: [&str; 10] = [
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
    "proxy_on_http_call_response",
    "proxy_on_delete",
];

struct Callback {
    function: Func,
    results: usize,
}

pub(crate) struct Vm {
    pub(crate) store: Store<VmState>,
    callbacks: HashMap<&'static str, Callback>,
    depth: usize,
    deepest: usize,
}

impl Vm {
    /// Instantiates and initializes the module.
    pub(crate) fn new(module: &Module, worker: usize, world: Shared<World>) -> Self {
        let mut linker = Linker::new(module.engine());
        hostcalls::define(&mut linker);
        let mut store = Store::new(module.engine(), VmState::new(worker, world));
        let unknown: Vec<String> = module
            .imports()
            .filter(|import| linker.get_by_import(&mut store, import).is_none())
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .chain(module.exports().filter_map(|export| {
                let is_callback = export.name().starts_with("proxy_on_");
                (is_callback && !CALLBACKS.contains(&export.name()))
                    .then(|| export.name().to_owned())
            }))
            .collect();
        assert!(
            unknown.is_empty(),
            "the test host does not have: {}",
            unknown.join(", ")
        );

        refuel(&mut store);
        let instance = linker
            .instantiate(&mut store, module)
            .unwrap_or_else(|error| panic!("the module does not instantiate: {error:?}"));
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        store.data_mut().malloc = instance.get_typed_func(&mut store, "malloc").ok();

        let mut callbacks = HashMap::new();
        for name in CALLBACKS {
            if let Some(Extern::Func(function)) = instance.get_export(&mut store, name) {
                let results = function.ty(&store).results().len();
                callbacks.insert(name, Callback { function, results });
            }
        }
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut store, "_initialize") {
            let initialized = initialize.call(&mut store, ());
            initialized.expect("the module initializes");
        }
        Self {
            store,
            callbacks,
            depth: 0,
            deepest: 0,
        }
    }

    /// Calls `export` with the context id and `arguments`, then performs the actions that its hostcalls requested. These
    /// may enter again, nested as in Envoy. Returns the result; 0 if the module has no such export or it returns nothing.
    ///
    /// # Panics
    /// When the module traps: Envoy would lose the VM with all connections.
    pub(crate) fn enter(&mut self, export: &'static str, context: u32, arguments: &[u32]) -> u32 {
        let Some(callback) = self.callbacks.get(export) else {
            return 0;
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
        let (current, effective) = self.store.data_mut().set_contexts(context, 0);
        let outcome = callback
            .function
            .call(&mut self.store, &values, &mut results);
        self.store.data_mut().set_contexts(current, effective);
        if let Err(error) = outcome {
            let crash = format!("the module crashed in {export}: {error:?}");
            self.store.data().world.borrow().fail(&crash);
        }
        while let Some(action) = self.next_deferred() {
            self.perform(action);
        }

        self.depth -= 1;
        if self.depth == 0 {
            let instructions = refuel(&mut self.store);
            let mut world = self.store.data().world.borrow_mut();
            world.counts.instructions += instructions;
            world.check();
        }
        let result = results.first().and_then(Val::i32);
        result.unwrap_or(0).cast_unsigned()
    }

    /// Returns the maximum depth of nested entries.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// Returns the size of the linear memory. It never shrinks.
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
}

/// Fills up the fuel of which each instruction takes one. Returns how much was taken.
fn refuel(store: &mut Store<VmState>) -> u64 {
    let left = store.get_fuel().expect("the engine counts fuel");
    store.set_fuel(u64::MAX).expect("the engine counts fuel");
    u64::MAX - left
}
