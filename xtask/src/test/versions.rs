//! Tests in older releases of Envoy.
//!
//! All tests in four more Envoys would take longer than all other steps. So only those run that depend on
//! Envoy's behavior: one for each behavior that may differ between releases. `--full` runs all.

use anyhow::{Result, ensure};

use super::step::{IN_ENVOY, in_envoy};
use crate::envoy;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// Tests, and the behavior of Envoy that each depends on.
const STORIES: [(&str, &str); 25] = [
    (
        "invalid_policy::invalid_policy_disables_each_role_and_logs_each_error",
        "an invalid configuration does not close connections",
    ),
    (
        "budget::budget_limits_four_workers_together",
        "all workers share data",
    ),
    (
        "grpc::started_response_ends_with_trailers_after_the_goaway",
        "a local reply during a response becomes a reset, in a separate write",
    ),
    (
        "grpc::stream_without_a_response_gets_trailers_only",
        "a local reply to gRPC is trailers-only",
    ),
    (
        "http1::every_form_of_response_is_complete_with_connection_close",
        "how the HTTP/1 codec writes heads and bodies",
    ),
    (
        "http1::only_the_last_pipelined_response_has_connection_close",
        "the codec reads one request at a time and passes the rest again",
    ),
    (
        "http1_close::idle_client_is_closed_after_the_close_delay",
        "a close from the tick",
    ),
    (
        "http2_frames::each_client_gets_the_goaway_that_it_tolerates",
        "how the HTTP/2 codec writes frames",
    ),
    (
        "http2_frames::stream_below_the_last_stream_id_is_served_and_refused_one_is_not_delivered",
        "streams after a GOAWAY that Envoy did not send",
    ),
    (
        "http2_unread::client_envoy_is_drained_without_a_loss",
        "the settings of its HTTP/2 client, and what it does after a GOAWAY",
    ),
    (
        "http2_unread::requests_after_the_first_are_not_read",
        "each write of the HTTP/2 codec consists of whole frames",
    ),
    (
        "http2_unread::no_goaway_follows_the_last_one_of_envoy",
        "each GOAWAY of the connection manager is a write of its own",
    ),
    (
        "http2_unread::connection_through_a_tcp_proxy_is_read",
        "a connection has an upstream address behind a TCP proxy only",
    ),
    (
        "idle_http2::idle_connection_with_keepalive_is_drained_and_closed",
        "the connection manager's own PINGs, and an Envoy as the client",
    ),
    (
        "metrics::all_listed_metrics_are_shown_from_the_start",
        "how metrics and their labels are named",
    ),
    (
        "dry_run::http2_bytes_are_unchanged",
        "the bytes are the same when a filter reads them",
    ),
    (
        "peers::pods_learn_the_mean_and_the_app_sees_no_exchange",
        "calls from the tick, from every thread, with a local reply as response",
    ),
    (
        "peers::mutual_tls_limits_exchanges_to_the_same_identity",
        "the properties of a certificate",
    ),
    (
        "on_demand::only_requests_of_peers_pass_the_http_filter",
        "a disabled filter that a route enables",
    ),
    (
        "routes::first_matching_route_decides",
        "route names, and both roles in one VM",
    ),
    (
        "rebalance_gateway::tcp_connections_of_one_host_are_rebalanced_without_an_abort",
        "the address of the TCP proxy's upstream host",
    ),
    (
        "tcp::expired_idle_connection_is_closed_only_with_a_rule",
        "a close from the tick with the TCP proxy",
    ),
    (
        "update::new_policy_applies_to_open_connections_without_a_loss",
        "an update creates a root context in the same VM",
    ),
    (
        "upstream::concurrent_requests_lose_nothing_and_connections_are_recycled",
        "the address of an upstream connection, and what `connection: close` on a request does",
    ),
    (
        "websocket::close_frame_follows_a_message_and_completes_the_handshake",
        "the bytes after an upgrade",
    ),
];

/// Runs [`STORIES`], or all of them, in each release before the pinned one.
///
/// # Errors
/// When one of them fails, or an Envoy is not available.
pub fn run(full: bool, workspace: &Workspace, shell: &mut Shell) -> Result<()> {
    let chosen = STORIES.map(|(story, _)| story);
    let (targets, which) = if full {
        (&IN_ENVOY[..], &[][..])
    } else {
        (&["stories"][..], &chosen[..])
    };
    let mut failed = Vec::new();
    for version in envoy::older() {
        shell.note(&format!("Envoy {version}"));
        let ran = envoy::provide_exactly(version)
            .and_then(|envoy| in_envoy(targets, which, &envoy, workspace, shell));
        // A release that fails does not stop the others.
        if let Err(error) = ran {
            shell.note(&format!("Envoy {version}: {error:#}"));
            failed.push(version);
        }
    }
    ensure!(failed.is_empty(), "in Envoy {}", failed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The test runner ignores unknown names.
    #[test]
    fn every_chosen_story_is_there() {
        for (story, _) in STORIES {
            let (module, name) = story.split_once("::").unwrap();
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/envoy/tests/stories");
            let text = fs::read_to_string(format!("{folder}/{module}.rs")).unwrap();
            assert!(text.contains(&format!("async fn {name}()")), "{story}");
        }
    }
}
