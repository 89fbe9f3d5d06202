//! The plugin in a fake host: cases that the tests of the built module cannot create.

mod connections;
mod current_root;
mod databases;
mod hostile_host;
mod http_roots;

use core::time::Duration;
use std::rc::Rc;

use crate::host::fake::FakeHost;
use crate::vm::Vm;

/// A VM with a root of each role.
struct Plugin {
    host: Rc<FakeHost>,
    vm: Vm,
}

const NETWORK: u32 = 1;
const HTTP: u32 = 2;

impl Plugin {
    /// Both roles with the keys of this policy.
    fn new(keys: &str) -> Self {
        let host = FakeHost::new();
        let plugin = Self {
            vm: Vm::new(Rc::<FakeHost>::clone(&host)),
            host,
        };
        plugin.configure(
            NETWORK,
            &format!(r#"{{"version": 1, "role": "network", {keys}}}"#),
        );
        plugin.configure(
            HTTP,
            &format!(r#"{{"version": 1, "role": "http", {keys}}}"#),
        );
        plugin
    }

    /// The network role with this whole policy.
    fn with_network(policy: &str) -> Self {
        Self::on(FakeHost::new(), policy)
    }

    /// Another worker of the same proxy.
    fn another_worker(&self, policy: &str) -> Self {
        Self::on(Rc::clone(&self.host), policy)
    }

    fn on(host: Rc<FakeHost>, policy: &str) -> Self {
        host.set_property(&["plugin_name"], "evenkeel");
        let plugin = Self {
            vm: Vm::new(Rc::<FakeHost>::clone(&host)),
            host,
        };
        plugin.configure(NETWORK, policy);
        plugin
    }

    fn configure(&self, root: u32, policy: &str) {
        self.vm.context_created(root, 0);
        let size = self.host.set_configuration(policy);
        self.vm.configured(root, size);
    }

    /// Opens a connection, whose context and id are `id`.
    fn connect(&self, id: u32) {
        self.connect_under(NETWORK, id);
    }

    /// Opens a connection under this root.
    fn connect_under(&self, root: u32, id: u32) {
        let connection = u64::from(id).to_le_bytes();
        self.host.set_property(&["connection", "id"], connection);
        // Each connection has properties of its own.
        self.host.set_property(&["evenkeel.network"], "");
        self.vm.context_created(id, root);
    }

    /// Advances the time, with its ticks.
    fn pass_seconds(&self, seconds: u32) {
        for _ in 0..seconds.saturating_mul(10) {
            self.host.advance(Duration::from_millis(100));
            self.vm.ticked(NETWORK);
        }
    }

    /// A GET on a connection and its response. Returns what the client gets.
    fn exchange(&self, connection: u32) -> Vec<u8> {
        let size = self
            .host
            .set_client_data(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        self.vm.client_data(connection, size);
        let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let size = self.host.set_server_data(response);
        self.vm.server_data(connection, size);
        self.host.server_data()
    }
}
