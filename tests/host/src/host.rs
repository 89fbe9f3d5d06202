//! A proxy and its workers.

use crate::connection::{Connection, ConnectionState};
use crate::counts::Counts;
use crate::http_call::HttpCall;
use crate::log::LogLine;
use crate::program;
use crate::properties::Properties;
use crate::root::{Root, RootSpec, RootState};
use crate::vm::Vm;
use crate::world::{Shared, World, shared};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use wasmtime::Module;

/// One proxy that runs one module. It has no worker until one is started.
#[derive(Clone)]
pub struct Host {
    module: Module,
    world: Shared<World>,
    workers: Shared<Vec<Worker>>,
}

impl Host {
    /// Creates a proxy for the module at `wasm`, which is compiled once per process.
    ///
    /// # Panics
    /// When the module cannot be read or compiled, or is not of the ABI.
    pub fn new(wasm: &Path) -> Self {
        Self {
            module: program::compile(wasm),
            world: shared(World::new()),
            workers: shared(Vec::new()),
        }
    }

    /// Starts a worker with its own instance of the module.
    ///
    /// # Panics
    /// If the module imports functions that the host does not have, with their names.
    pub fn start_worker(&self) -> Worker {
        self.start(true)
    }

    /// Starts the instance of the main thread, which has roots and ticks but no traffic.
    ///
    /// # Panics
    /// As [`Host::start_worker`].
    pub fn start_main_thread(&self) -> Worker {
        self.start(false)
    }

    /// Applies a plugin configuration to all workers in the order of their start.
    ///
    /// # Panics
    /// As [`Worker::configure`].
    pub fn configure(&self, spec: &RootSpec) -> Vec<Root> {
        self.all()
            .iter()
            .map(|worker| worker.configure(spec))
            .collect()
    }

    /// Advances the time. Each root ticks when its period has passed, in the order of time, then of workers, then of
    /// roots.
    pub fn advance(&self, by: Duration) {
        let end = self.world.borrow().clock.steady() + by;
        while let Some((due, worker, root)) = self.next_tick().filter(|(due, ..)| *due <= end) {
            self.world.borrow_mut().clock.advance_to(due);
            worker.with_vm(|vm| {
                vm.tick(root);
                // A period that the tick changed starts now.
                if let Some(timer) = vm.state().timers.get_mut(&root) {
                    timer.due = due + timer.period;
                }
            });
        }
        self.world.borrow_mut().clock.advance_to(end);
    }

    /// Returns the wall clock of the module: the time since 1970.
    pub fn now(&self) -> Duration {
        self.world.borrow().clock.wall()
    }

    /// Sets the wall clock, forward or back. Timers are not affected.
    pub fn set_wall_clock(&self, now: Duration) {
        self.world.borrow_mut().clock.set_wall(now);
    }

    /// Returns the cost of the module so far, over all workers.
    pub fn counts(&self) -> Counts {
        self.world.borrow().counts.clone()
    }

    /// Returns the counter or gauge of this name; `None` if no worker has defined it.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.world.borrow().metrics.number(name)
    }

    /// Returns all log lines, of any level.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.borrow().log.clone()
    }

    /// Whether a log line contains `part`.
    pub fn logged(&self, part: &str) -> bool {
        self.world
            .borrow()
            .log
            .iter()
            .any(|line| line.text.contains(part))
    }

    /// Returns the shared value under `key`.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.world
            .borrow()
            .shared_data
            .get(key.as_bytes())
            .ok()
            .map(|(value, _)| value)
    }

    /// Adds a cluster. Calls to other clusters fail.
    pub fn add_cluster(&self, name: &str) {
        self.world.borrow_mut().clusters.insert(name.to_owned());
    }

    /// Returns the calls that wait for a response, in order.
    pub fn http_calls(&self) -> Vec<HttpCall> {
        let workers = self.all();
        let mut world = self.world.borrow_mut();
        world.calls.retain(|call| !call.borrow().ended);
        let of = |call: &Shared<_>| call.clone();
        let calls = world.calls.iter().map(of);
        calls
            .filter_map(|state| {
                let worker = workers.get(state.borrow().worker)?.clone();
                Some(HttpCall { worker, state })
            })
            .collect()
    }

    fn start(&self, traffic: bool) -> Worker {
        let index = self.workers.borrow().len();
        let vm = shared(Vm::new(&self.module, index, self.world.clone()));
        let worker = Worker {
            traffic,
            vm,
            world: self.world.clone(),
        };
        self.workers.borrow_mut().push(worker.clone());
        worker
    }

    fn all(&self) -> Vec<Worker> {
        self.workers.borrow().clone()
    }

    fn next_tick(&self) -> Option<(Duration, Worker, u32)> {
        let mut next: Option<(Duration, Worker, u32)> = None;
        for worker in self.all() {
            let due = worker.with_vm(|vm| {
                let timers = vm.state().timers.iter();
                timers.map(|(root, timer)| (timer.due, *root)).min()
            });
            if let Some((due, root)) = due
                && next.as_ref().is_none_or(|(sooner, ..)| due < *sooner)
            {
                next = Some((due, worker, root));
            }
        }
        next
    }
}

/// A thread of the proxy with its instance of the module.
#[derive(Clone)]
pub struct Worker {
    traffic: bool,
    vm: Rc<RefCell<Vm>>,
    world: Shared<World>,
}

impl Worker {
    /// Configures another root, as an update of a listener or a filter does.
    ///
    /// # Panics
    /// When the module rejects it: Envoy would then drop the listener's traffic.
    pub fn configure(&self, spec: &RootSpec) -> Root {
        let id = self.with_vm(|vm| vm.state().next_context_id());
        let state = shared(RootState {
            id,
            spec: spec.clone(),
            properties: Properties::default(),
            configuring: false,
            response: None,
            live: 0,
            released: false,
        });
        if !self.with_vm(|vm| vm.configure(&state)) {
            let name = &spec.name;
            self.world.borrow().fail(&format!(
                "the module rejected the configuration of `{name}`: Envoy would drop all traffic"
            ));
        }
        Root {
            worker: self.clone(),
            state,
        }
    }

    /// Opens a connection to a listener without the module's network filter, for an HTTP filter alone.
    ///
    /// # Panics
    /// On the main thread, which serves no traffic.
    pub fn accept(&self) -> Connection {
        assert!(self.traffic, "the main thread serves no traffic");
        let id = self.world.borrow_mut().next_connection_id();
        Connection {
            worker: self.clone(),
            state: shared(ConnectionState::new(id)),
        }
    }

    /// Returns the size of the instance's linear memory in bytes. It never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.with_vm(|vm| vm.memory_bytes())
    }

    /// Returns the maximum depth of nested entries. An action that the module requests in a callback, such as a close,
    /// enters the VM before Envoy returns from that callback.
    pub fn deepest_nesting(&self) -> usize {
        self.with_vm(|vm| vm.deepest())
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.vm, &other.vm)
    }

    pub(crate) fn with_vm<R>(&self, run: impl FnOnce(&mut Vm) -> R) -> R {
        run(&mut self.vm.borrow_mut())
    }
}
