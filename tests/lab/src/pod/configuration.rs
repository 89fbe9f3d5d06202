//! The configuration of a pod's Envoy.

use std::net::{Ipv4Addr, SocketAddr};

use evenkeel_test_envoy::{Bootstrap, Cluster, Listener, Roles};

use super::app::App;
use super::side::Side;
use super::{FIRST_DIRECT_PORT, PEERS, nth_port, port};

/// The time over which Envoy drains connections by itself.
const DRAIN_SECONDS: u32 = 2;

/// Returns the configuration of the Envoy of a pod whose servers have these addresses, one for each side.
pub(super) fn bootstrap(app: App, addresses: &[SocketAddr], sides: &[Side]) -> Bootstrap {
    let mut bootstrap = Bootstrap::new()
        .drain_seconds(DRAIN_SECONDS)
        .cluster(Cluster::new(PEERS, []).random());
    for (index, (side, address)) in sides.iter().zip(addresses).enumerate() {
        // Envoy has an inotify instance for each cluster, of 128 of a user: sides with the same server share one.
        let first = addresses.iter().position(|other| other == address);
        let cluster = format!("app-{}", first.unwrap_or(index));
        let mut server = Cluster::new(&cluster, [*address]);
        if app == App::Grpc {
            server = server.http2();
        }
        if first == Some(index) {
            bootstrap = bootstrap.cluster(server);
        }
        let mut listener = match app {
            _ if side.server.is_some() => Listener::tcp(side.name, &cluster),
            App::Http | App::Grpc => Listener::http(side.name)
                .route("/", &cluster)
                .connection_limits(side.limits.clone()),
            App::Tcp | App::Server(_) => Listener::tcp(side.name, &cluster),
        };
        if let (App::Server(_), Some(age)) = (app, side.limits["max_connection_duration"].as_str())
        {
            listener = listener.max_connection_duration(age);
        }
        if let App::Server(_) = app {
            let direct = (Ipv4Addr::UNSPECIFIED, nth_port(FIRST_DIRECT_PORT, index));
            let name = format!("direct-{}", side.name);
            bootstrap = bootstrap.listener(Listener::tcp(&name, &cluster).bind(direct.into()));
        }
        listener = listener
            .bind((Ipv4Addr::UNSPECIFIED, port(index)).into())
            .inbound();
        if let Some(policy) = &side.policy {
            // The HTTP role is needed for the requests of peers alone.
            let roles = match app {
                App::Http | App::Grpc if side.has_peers() => Roles::Both,
                App::Http | App::Grpc | App::Tcp | App::Server(_) => Roles::Network,
            };
            // Sides share an Envoy, but no VM: neither budget nor what is known of peers.
            listener = listener.evenkeel(roles, policy).vm(side.name);
        }
        bootstrap = bootstrap.listener(listener);
    }
    bootstrap
}
