//! Recognition of clients by first frames that were recorded.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_first_frames;
mod h2_support;

use evenkeel_wire::h2::{AMBIGUOUS, ClientProfile, Conditions, LastStreamIdTolerance};
use h2_first_frames::first_frames;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// First frames that were recorded from releases and tuned clients.
#[test]
fn recorded_first_frames_are_recognized() {
    let python = [
        (1, 4096),
        (2, 0),
        (4, 65_535),
        (5, 16_384),
        (3, 100),
        (6, 65_536),
    ];
    let jdk = [
        (1, 16_384),
        (2, 0),
        (3, 0),
        (4, 16_777_216),
        (5, 16_384),
        (6, 393_216),
    ];
    let go = [(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)];
    let hyper = [(2, 0), (4, 2_097_152), (5, 16_384), (6, 16_384)];
    let grpcio = [
        (2, 0),
        (3, 0),
        (4, 4_194_304),
        (5, 4_194_304),
        (6, 16_384),
        (65_027, 1),
    ];
    for (name, frames_sent) in [
        (
            "envoy",
            first_frames(
                &[(2, 0), (1, 4096), (8, 0), (3, 1024), (4, 268_435_456)],
                Some(7),
            ),
        ),
        (
            "envoy",
            first_frames(
                &[(1, 4096), (2, 0), (3, 1024), (4, 16_777_216), (8, 0)],
                Some(25_100_289),
            ),
        ),
        ("httpx", first_frames(&python, Some(16_777_216))),
        (
            "python-h2",
            first_frames(
                &[
                    (1, 4096),
                    (2, 1),
                    (4, 65_535),
                    (5, 16_384),
                    (8, 0),
                    (3, 100),
                    (6, 65_536),
                ],
                None,
            ),
        ),
        (
            "undici",
            first_frames(&[(2, 0), (4, 262_144)], Some(458_753)),
        ),
        ("node", first_frames(&[], None)),
        ("grpc-go", first_frames(&[], None).grpc()),
        ("grpc-go", first_frames(&[], Some(1_048_576)).grpc()),
        ("grpc-go", first_frames(&[(6, 16_384)], None).grpc()),
        ("go", first_frames(&go, Some(1_073_741_824))),
        ("grpcio", first_frames(&grpcio, None).grpc()),
        ("grpcio", first_frames(&grpcio[2..], Some(1)).grpc()),
        (
            "grpc-java",
            first_frames(&[(2, 0), (3, 0), (4, 1_048_576), (6, 8192)], Some(983_041))
                .grpc()
                .first_stream(3),
        ),
        (
            "grpc-java",
            first_frames(&[(2, 0), (3, 0), (4, 65_535), (6, 4096)], None)
                .grpc()
                .first_stream(3),
        ),
        (
            "curl",
            first_frames(&[(3, 100), (4, 65_536), (2, 0)], Some(1_048_510_465)),
        ),
        ("reqwest_hyper", first_frames(&hyper, Some(5_177_345))),
        ("tonic", first_frames(&hyper, Some(5_177_345)).grpc()),
        (
            AMBIGUOUS,
            first_frames(
                &[(2, 0), (4, 1_048_576), (5, 16_384), (6, 65_536)],
                Some(983_041),
            ),
        ),
        (
            "tonic",
            first_frames(&[(2, 0), (4, 1_048_576), (5, 16_384)], Some(983_041)).grpc(),
        ),
        (
            "reqwest_hyper",
            first_frames(&[(2, 0), (4, 2_097_152), (5, 16_384)], Some(5_177_345)),
        ),
        ("jdk_httpclient5", first_frames(&jdk, Some(33_488_897))),
        ("jdk_httpclient5", first_frames(&jdk[..5], Some(33_488_897))),
        (
            "okhttp",
            first_frames(&[(4, 16_777_216)], Some(16_711_681)).first_stream(3),
        ),
        (
            "jetty",
            first_frames(&[(3, 32), (4, 8_388_608)], Some(16_711_681)),
        ),
        (
            "reactor-netty",
            first_frames(&[(3, 100), (6, 8192)], None).first_stream(3),
        ),
        (
            "netty",
            first_frames(&[(3, 100), (4, 1_048_576), (6, 8192)], None).first_stream(3),
        ),
        // The settings of an Envoy with oghttp2.
        (
            "netty",
            first_frames(
                &[(1, 4096), (2, 0), (3, 1024), (4, 16_777_216), (8, 0)],
                Some(25_100_289),
            )
            .first_stream(3),
        ),
        // Armeria 1.33.
        (
            "netty",
            first_frames(&[(2, 0), (4, 1_048_576), (6, 8192)], Some(983_041)).first_stream(3),
        ),
        // Vert.x 5.0, with the fingerprint of Node with that setting; and with a configured window.
        (AMBIGUOUS, first_frames(&[(6, 8192)], None)),
        ("vertx", first_frames(&[(6, 8192)], Some(1_048_576))),
        (
            "jdk_httpclient5",
            first_frames(
                &[
                    (1, 8192),
                    (2, 1),
                    (3, 250),
                    (4, 65_535),
                    (5, 65_536),
                    (6, 16_777_215),
                    (9, 1),
                ],
                Some(2_147_418_112),
            ),
        ),
        (
            "nginx",
            first_frames(&[(1, 0), (2, 0), (4, 2_147_483_647)], Some(2_147_418_112)),
        ),
        (
            "async-http",
            first_frames(
                &[(2, 0), (5, 1_048_576), (4, 2_147_483_647)],
                Some(2_147_418_112),
            ),
        ),
    ] {
        assert_eq!(frames_sent.client().name, name, "{frames_sent:?}");
    }
}

/// Mistakes of an earlier table, which compared values.
#[test]
fn tuned_clients_are_not_mistaken_for_others() {
    let is_idle_only = |profile: ClientProfile| {
        assert!(profile.tolerance.at_end.include(Conditions::NEVER));
        assert!(profile.tolerance.when_active.include(Conditions::NEVER));
        assert_ne!(
            profile.tolerance.last_stream_id,
            LastStreamIdTolerance::Exact
        );
    };
    // Node with `settings: {enablePush: false}` has the fingerprint of undici 7.0.
    let node = first_frames(&[(2, 0)], None).client();
    assert_eq!(node.name, AMBIGUOUS);
    is_idle_only(node);
    // Vert.x, which loses open streams, has the fingerprint of Node.
    is_idle_only(first_frames(&[(6, 8192)], None).client());
    // Go with a configured window has the fingerprint of hyper.
    let go = first_frames(
        &[(2, 0), (4, 1_048_576), (5, 16_384), (6, 65_536)],
        Some(99),
    );
    assert!(go.client().tolerance.when_active.include(Conditions::NEVER));
    // A gRPC library on Node, and ones with configured windows.
    for grpc in [
        first_frames(&[(4, 65_535)], None).grpc(),
        first_frames(&[(4, 1_048_576)], Some(7)).grpc(),
        first_frames(&[(4, 1_048_576), (6, 32_768)], None).grpc(),
    ] {
        let tolerance = grpc.client().tolerance;
        assert_eq!(tolerance.when_active, Conditions::NONE, "{grpc:?}");
        assert_eq!(tolerance.at_end, Conditions::NONE, "{grpc:?}");
    }
    assert_eq!(
        first_frames(&[(4, 65_535)], None).client().name,
        "node",
        "without gRPC it is Node with a configured window"
    );
}
