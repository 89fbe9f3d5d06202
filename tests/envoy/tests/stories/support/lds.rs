//! A listener that Envoy gets by LDS and that changes with its policy.

use evenkeel_test_envoy::{Envoy, Roles, eventually};
use serde_json::json;
use tempfile::TempDir;

use super::config::{self, listener_on, manager};
use super::server::Server;
use super::socket::{Socket, field};

/// An Envoy whose listener `in` comes from a file. Each response has the version of the listener.
pub struct UpdatedListener {
    pub envoy: Envoy,
    directory: TempDir,
    port: u16,
    roles: Roles,
}

impl UpdatedListener {
    /// Starts with version 1.
    pub async fn start(roles: Roles, policy: &str, server: &Server) -> Self {
        let directory = TempDir::new().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        write(&directory, port, roles, "1", policy);
        let file = directory.path().join(FILE);
        let mut config = config::bootstrap(&[], server.address);
        config["dynamic_resources"] = json!({
            "lds_config": { "path_config_source": { "path": file }, "resource_api_version": "V3" },
        });
        let envoy = config::start(&config).await;
        Self {
            envoy,
            directory,
            port,
            roles,
        }
    }

    /// Replaces the listener; returns a connection that has opened under its policy.
    pub async fn apply(&self, version: &str, policy: &str) -> Socket {
        write(&self.directory, self.port, self.roles, version, policy);
        let update = eventually("a connection of the new listener", || async {
            let mut socket = Socket::connect(self.envoy.address("in")).await;
            let (head, _) = socket.get("/").await;
            Ok((field(&head, "x-version") == Some(version)).then_some(socket))
        });
        update.await.unwrap()
    }
}

const FILE: &str = "lds.json";

fn write(directory: &TempDir, port: u16, roles: Roles, version: &str, policy: &str) {
    let mut listener = listener_on(port, "in", roles, policy);
    manager(&mut listener)["route_config"]["response_headers_to_add"] =
        json!([{ "header": { "key": "x-version", "value": version } }]);
    listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    config::write(
        &directory.path().join(FILE),
        &json!({ "resources": [listener] }),
    );
}
