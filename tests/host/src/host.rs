//! A proxy, and its workers.

use crate::Level;
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
    /// A proxy for the module at `wasm`, which is compiled once a process.
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

    /// Starts a worker: an instance of the module of its own.
    ///
    /// # Panics
    /// If the module imports functions that the host does not have, with their names.
    pub fn start_worker(&self) -> Worker {
        self.start(true)
    }

    /// Starts the main thread's instance: it has roots and ticks, and no traffic.
    ///
    /// # Panics
    /// As [`Host::start_worker`].
    pub fn start_main_thread(&self) -> Worker {
        self.start(false)
    }

    /// Gives a plugin configuration to all workers that were started, in that order.
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
                // Set again after the tick, so that a period which the tick changed counts from now.
                if let Some(timer) = vm.state().timers.get_mut(&root) {
                    timer.due = due + timer.period;
                }
            });
        }
        self.world.borrow_mut().clock.advance_to(end);
    }

    /// The wall clock of the module: time since 1970.
    pub fn now(&self) -> Duration {
        self.world.borrow().clock.wall()
    }

    /// Sets the wall clock, forward or back. Timers are not affected.
    pub fn set_wall_clock(&self, now: Duration) {
        self.world.borrow_mut().clock.set_wall(now);
    }

    /// The cost of the module so far, over all workers.
    pub fn counts(&self) -> Counts {
        self.world.borrow().counts.clone()
    }

    /// The counter or gauge of that name; `None` when no worker has defined it.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.world.borrow().metrics.number(name)
    }

    /// All counters and gauges by name.
    pub fn metrics(&self) -> Vec<(String, u64)> {
        let world = self.world.borrow();
        world
            .metrics
            .numbers()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The values of the histogram of this name; `None` when no worker has defined it.
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.world
            .borrow()
            .metrics
            .records(name)
            .map(<[u64]>::to_vec)
    }

    /// All log lines, of any level.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.borrow().log.clone()
    }

    /// True if a log line contains `part`.
    pub fn logged(&self, part: &str) -> bool {
        self.world
            .borrow()
            .log
            .iter()
            .any(|line| line.text.contains(part))
    }

    /// Sets the result of `proxy_get_log_level`. The log keeps all lines nevertheless.
    pub fn set_log_level(&self, level: Level) {
        self.world.borrow_mut().log_level = level;
    }

    /// The shared value under `key`, as another plugin of the same vm_id sees it.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.world
            .borrow()
            .shared_data
            .get(key.as_bytes())
            .ok()
            .map(|(value, _)| value)
    }

    /// Another plugin of the same vm_id writes a shared value.
    pub fn set_shared_data(&self, key: &str, value: impl AsRef<[u8]>) {
        let (key, value) = (key.as_bytes().to_vec(), value.as_ref().to_vec());
        // A version of 0 is never out of date.
        let _ = self.world.borrow_mut().shared_data.set(key, value, 0);
    }

    /// Adds a cluster. Calls to other clusters fail.
    pub fn add_cluster(&self, name: &str) {
        self.world.borrow_mut().clusters.insert(name.to_owned());
    }

    /// The calls that wait for a response, in order.
    pub fn http_calls(&self) -> Vec<HttpCall> {
        let workers = self.all();
        let mut world = self.world.borrow_mut();
        world.calls.retain(|call| !call.borrow().over);
        let of = |call: &Shared<_>| call.clone();
        let calls = world.calls.iter().map(of);
        calls
            .filter_map(|state| {
                let worker = workers.get(state.borrow().worker)?.clone();
                Some(HttpCall { worker, state })
            })
            .collect()
    }

    /// From now on a crash of the module has the effects that it has in Envoy (its connections close, its streams get a
    /// 503) instead of failing the test.
    pub fn expect_crashes(&self) {
        self.world.borrow_mut().crashes_are_expected = true;
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
    /// Configures a further root, as when a listener or a filter's configuration is updated.
    ///
    /// # Panics
    /// When the module refuses it: Envoy would then drop the listener's traffic.
    pub fn configure(&self, spec: &RootSpec) -> Root {
        let id = self.with_vm(|vm| vm.state().next_context_id());
        let state = shared(RootState {
            id,
            spec: spec.clone(),
            properties: Properties::default(),
            configuring: false,
            answer: None,
            live: 0,
            released: false,
            pending_done: false,
        });
        if !self.with_vm(|vm| vm.configure(&state)) {
            let name = &spec.name;
            self.world.borrow().fail(&format!(
                "the module refused the configuration of `{name}`: Envoy would drop all traffic"
            ));
        }
        Root {
            worker: self.clone(),
            state,
        }
    }

    /// A client connects to a listener without the module's network filter: for an HTTP filter alone.
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

    /// The size of the instance's linear memory, in bytes. It grows and never shrinks.
    pub fn memory_bytes(&self) -> usize {
        self.with_vm(|vm| vm.memory_bytes())
    }

    /// How many entries were ever open at once. What the module asks to be done after a callback (a
    /// close, say) enters again before that callback is over: in Envoy on the same native stack.
    pub fn deepest_nesting(&self) -> usize {
        self.with_vm(|vm| vm.deepest())
    }

    /// Why the instance crashed; only after [`Host::expect_crashes`].
    pub fn crash(&self) -> Option<String> {
        self.with_vm(|vm| vm.death().map(str::to_owned))
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.vm, &other.vm)
    }

    pub(crate) fn with_vm<R>(&self, run: impl FnOnce(&mut Vm) -> R) -> R {
        run(&mut self.vm.borrow_mut())
    }
}
