//! Tests in older releases of Envoy.
//!
//! All tests in four more Envoys would take longer than all other steps. So only those run that depend on
//! Envoy's behaviour: one for each behaviour that may differ between releases. `--full` runs all.

use anyhow::{Result, ensure};

use super::step::{IN_ENVOY, in_envoy};
use crate::envoy;
use crate::shell::Shell;
use crate::workspace::Workspace;

/// Tests, and the behaviour of Envoy that each depends on.
const STORIES: [(&str, &str); 20] = [
    (
        "bad_policy::each_role_that_gets_it_does_nothing_and_says_why",
        "an invalid configuration does not close connections",
    ),
    (
        "budget::four_workers_together_move_no_more_than_the_budget",
        "all workers share data",
    ),
    (
        "grpc::a_stream_in_the_middle_of_its_answer_ends_with_trailers_once_the_client_was_told",
        "a local reply during a response becomes a reset, in a separate write",
    ),
    (
        "grpc::a_stream_that_has_no_answer_yet_gets_one_that_is_all_trailers",
        "a local reply to gRPC is trailers-only",
    ),
    (
        "http1::every_form_of_answer_carries_the_announcement_and_stays_whole",
        "how the HTTP/1 codec writes heads and bodies",
    ),
    (
        "http1::pipelined_requests_are_all_answered_and_the_last_answer_announces",
        "the codec reads one request at a time and passes the rest again",
    ),
    (
        "http1_leaving::a_client_that_never_closes_is_closed_after_the_linger",
        "a close from the tick",
    ),
    (
        "http2_frames::each_client_is_told_in_the_words_and_at_the_place_that_it_bears",
        "how the HTTP/2 codec writes frames",
    ),
    (
        "http2_frames::what_max_did_not_refuse_is_served_and_what_exact_refused_is_never_executed",
        "streams after a GOAWAY that Envoy did not send",
    ),
    (
        "idle_http2::with_pings_it_is_announced_and_closed_and_the_next_request_goes_out_on_another",
        "the connection manager's own PINGs, and an Envoy as the client",
    ),
    (
        "metrics::every_number_is_there_from_the_start_under_its_name_and_labels",
        "how metrics and their labels are named",
    ),
    (
        "observe::http2_bytes_are_the_same",
        "the bytes are the same when a filter reads them",
    ),
    (
        "peers::every_pod_comes_to_know_the_mean_and_the_app_sees_no_question",
        "calls from the tick, from every thread, with a local reply as response",
    ),
    (
        "peers::over_mutual_tls_the_same_identity_is_answered_and_a_stranger_meets_the_app",
        "the properties of a certificate",
    ),
    (
        "routes::the_first_rule_that_matches_a_request_governs_its_connection",
        "route names, and both roles in one VM",
    ),
    (
        "rebalance_gateway::tcp_connections_that_all_went_to_one_host_are_evened_out_and_none_is_cut",
        "the address of the TCP proxy's upstream host",
    ),
    (
        "tcp::a_silent_connection_past_its_age_is_closed_and_one_without_a_rule_is_not",
        "a close from the tick with the TCP proxy",
    ),
    (
        "update::a_new_policy_governs_what_is_open_and_loses_nothing",
        "an update creates a root context in the same VM",
    ),
    (
        "upstream::requests_at_once_lose_nothing_and_every_connection_has_its_turn",
        "the address of an upstream connection, and what `connection: close` on a request does",
    ),
    (
        "websocket::the_client_is_told_behind_a_message_and_both_sides_say_close",
        "the bytes after an upgrade",
    ),
];

/// Runs [`STORIES`], or all of them, in each release before the pinned one.
///
/// # Errors
/// When one of them fails, or an Envoy cannot be had.
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
        let ran = envoy::exactly(version)
            .and_then(|envoy| in_envoy(targets, which, &envoy, workspace, shell));
        // A release that fails does not keep the others from running.
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
