//! A listener: its routes, its filters and its limits.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::{address, loopback};
use crate::evenkeel::{Plugin, Role, Roles};

/// A builder of a listener. By default it is on loopback, and the kernel chooses its port, which `Envoy::address` returns.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(crate) name: String,
    address: Value,
    serves: Serves,
    pub(crate) evenkeel: Option<(Plugin, String)>,
    is_on_demand: bool,
    direction: &'static str,
    limits: Value,
    max_connection_duration: Option<String>,
    http2_options: Value,
    lua: Option<String>,
    transport: Option<Value>,
}

#[derive(Clone, Debug)]
enum Serves {
    Http { routes: Vec<Value> },
    Tcp { cluster: String },
}

impl Listener {
    /// Returns an HTTP listener for HTTP/1 and HTTP/2 with prior knowledge.
    pub fn http(name: &str) -> Self {
        Self::new(name, Serves::Http { routes: Vec::new() })
    }

    /// Returns a TCP listener before `cluster`.
    pub fn tcp(name: &str, cluster: &str) -> Self {
        Self::new(
            name,
            Serves::Tcp {
                cluster: cluster.to_owned(),
            },
        )
    }

    fn new(name: &str, serves: Serves) -> Self {
        Self {
            name: name.to_owned(),
            address: loopback(),
            serves,
            evenkeel: None,
            is_on_demand: false,
            direction: "UNSPECIFIED",
            limits: json!({}),
            max_connection_duration: None,
            http2_options: json!({}),
            lua: None,
            transport: None,
        }
    }

    /// Sets the address.
    pub fn bind(mut self, socket: SocketAddr) -> Self {
        self.address = address(socket);
        self
    }

    /// Routes requests below `prefix` to `cluster`. The first matching route applies.
    pub fn route(self, prefix: &str, cluster: &str) -> Self {
        self.add_route(
            prefix,
            json!({ "route": { "cluster": cluster, "timeout": "0s" } }),
        )
    }

    /// Adds a route with a name that a policy can match.
    pub fn named_route(self, name: &str, prefix: &str, cluster: &str) -> Self {
        let action = json!({ "name": name, "route": { "cluster": cluster, "timeout": "0s" } });
        self.add_route(prefix, action)
    }

    /// Adds a route with this `RetryPolicy`.
    pub fn retried_route(self, prefix: &str, cluster: &str, retry: Value) -> Self {
        let action = json!({ "cluster": cluster, "timeout": "0s", "retry_policy": retry });
        self.add_route(prefix, json!({ "route": action }))
    }

    /// Responds to requests below `prefix` from Envoy itself (`direct_response`).
    pub fn direct_response(self, prefix: &str, status: u16, body: &str) -> Self {
        let response = json!({ "status": status, "body": { "inline_string": body } });
        self.add_route(prefix, json!({ "direct_response": response }))
    }

    /// # Panics
    /// On a TCP listener, which has no routes: a mistake in the test.
    fn add_route(mut self, prefix: &str, mut route: Value) -> Self {
        match &mut self.serves {
            Serves::Http { routes } => {
                route["match"] = json!({ "prefix": prefix });
                routes.push(route);
            }
            Serves::Tcp { .. } => panic!("the TCP listener {} has no routes", self.name),
        }
        self
    }

    /// Adds the module in these roles, with a policy that need not be valid.
    pub fn evenkeel(mut self, roles: Roles, policy: impl ToString) -> Self {
        let plugin = Plugin {
            roles,
            vm_id: "evenkeel".to_owned(),
            module: None,
        };
        self.evenkeel = Some((plugin, policy.to_string()));
        self
    }

    /// Runs the HTTP filter for the requests of peers only, as `evenkeel render` configures it for policies that do not need
    /// more.
    #[must_use]
    pub fn on_demand(mut self) -> Self {
        self.is_on_demand = true;
        self
    }

    /// Sets the id of the VM; listeners with the same id share the budget and the load reports.
    ///
    /// # Panics
    /// On a listener without the module: a mistake in the test.
    pub fn vm(mut self, id: &str) -> Self {
        self.plugin_mut().vm_id = id.to_owned();
        self
    }

    /// Sets the absolute path of the module that this listener loads.
    ///
    /// # Panics
    /// On a listener without the module: a mistake in the test.
    pub fn module(mut self, path: &Path) -> Self {
        self.plugin_mut().module = Some(path.to_owned());
        self
    }

    fn plugin_mut(&mut self) -> &mut Plugin {
        match &mut self.evenkeel {
            Some((plugin, _)) => plugin,
            None => panic!("the listener {} has no module", self.name),
        }
    }

    /// Sets the `HttpProtocolOptions` of downstream connections, Envoy's own limits.
    pub fn connection_limits(mut self, options: Value) -> Self {
        self.limits = options;
        self
    }

    /// Sets the age at which TCP connections are closed, idle or not (`max_downstream_connection_duration`), as Envoy
    /// writes it (`"3s"`).
    #[must_use]
    pub fn max_connection_duration(mut self, duration: &str) -> Self {
        self.max_connection_duration = Some(duration.to_owned());
        self
    }

    /// Accepts extended CONNECT (RFC 8441), WebSockets over HTTP/2.
    #[must_use]
    pub fn extended_connect(mut self) -> Self {
        self.http2_options["allow_connect"] = true.into();
        self
    }

    /// Sets the interval of PINGs to HTTP/2 clients, as Envoy writes it (`"0.2s"`).
    pub fn keepalive(mut self, interval: &str) -> Self {
        let keepalive = json!({ "interval": interval, "timeout": "10s" });
        self.http2_options = json!({ "connection_keepalive": keepalive });
        self
    }

    /// Adds a Lua script before the router.
    pub fn lua(mut self, script: &str) -> Self {
        self.lua = Some(script.to_owned());
        self
    }

    /// Sets the `TransportSocket` of connections, for TLS.
    pub fn transport(mut self, socket: Value) -> Self {
        self.transport = Some(socket);
        self
    }

    /// Sets the traffic direction of a sidecar's inbound listener.
    pub fn inbound(mut self) -> Self {
        self.direction = "INBOUND";
        self
    }

    /// Sets the traffic direction of a sidecar's outbound listener or of a gateway.
    pub fn outbound(mut self) -> Self {
        self.direction = "OUTBOUND";
        self
    }

    pub(super) fn to_json(&self, directory: &Path) -> Value {
        let network = self.filter(Role::Network, directory);
        let terminal = match &self.serves {
            Serves::Http { routes } => self.connection_manager(routes, directory),
            Serves::Tcp { cluster } => self.tcp_proxy(cluster),
        };
        let filters: Vec<_> = network.into_iter().chain([terminal]).collect();
        let mut chain = json!({ "filters": filters });
        if let Some(socket) = &self.transport {
            chain["transport_socket"] = socket.clone();
        }
        json!({
            "name": self.name,
            "address": self.address,
            "traffic_direction": self.direction,
            "filter_chains": [chain],
        })
    }

    fn tcp_proxy(&self, cluster: &str) -> Value {
        let mut config = json!({ "stat_prefix": self.name, "cluster": cluster });
        if let Some(duration) = &self.max_connection_duration {
            config["max_downstream_connection_duration"] = duration.as_str().into();
        }
        typed(
            "envoy.filters.network.tcp_proxy",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            config,
        )
    }

    fn connection_manager(&self, routes: &[Value], directory: &Path) -> Value {
        let router = typed(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            json!({}),
        );
        let lua = self.lua.as_ref().map(|script| {
            typed(
                "envoy.filters.http.lua",
                "envoy.extensions.filters.http.lua.v3.Lua",
                json!({ "default_source_code": { "inline_string": script } }),
            )
        });
        let mut evenkeel = self.filter(Role::Http, directory);
        let mut routes = routes.to_vec();
        if self.is_on_demand
            && let Some(filter) = &mut evenkeel
        {
            filter["disabled"] = true.into();
            routes.insert(0, self.peers_route());
        }
        let filters: Vec<_> = evenkeel.into_iter().chain(lua).chain([router]).collect();
        let host = json!({ "name": "all", "domains": ["*"], "routes": routes });
        typed(
            "envoy.filters.network.http_connection_manager",
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            json!({
                "stat_prefix": self.name,
                "codec_type": "AUTO",
                "common_http_protocol_options": self.limits,
                "http_protocol_options": { "enable_trailers": true },
                "http2_protocol_options": self.http2_options,
                "upgrade_configs": [{ "upgrade_type": "websocket" }],
                "route_config": { "name": self.name, "virtual_hosts": [host] },
                "http_filters": filters,
            }),
        )
    }

    /// Returns the route that enables the HTTP filter for the requests of peers.
    fn peers_route(&self) -> Value {
        let filter = Role::Http.resource(&self.name);
        json!({
            "match": {
                "path": "/.evenkeel/v1/peers",
                "headers": [{ "name": "evenkeel-peers", "present_match": true }],
            },
            "direct_response": { "status": 404 },
            "typed_per_filter_config": { filter: {
                "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
                "config": {},
            } },
        })
    }

    fn filter(&self, role: Role, directory: &Path) -> Option<Value> {
        let (plugin, _) = self.evenkeel.as_ref()?;
        let file = directory.join(role.resource(&self.name));
        plugin
            .roles
            .has(role)
            .then(|| role.filter(&self.name, &file))
    }
}

fn typed(name: &str, message: &str, mut config: Value) -> Value {
    config["@type"] = format!("type.googleapis.com/{message}").into();
    json!({ "name": name, "typed_config": config })
}
