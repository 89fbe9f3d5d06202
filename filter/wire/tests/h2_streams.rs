//! Streams: when they are active, and how their end is reported. Every test also runs with its bytes cut.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_support;

use evenkeel_wire::h2::LastStreamEnd;
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn alone_at(frame_at: usize) -> Option<LastStreamEnd> {
    Some(LastStreamEnd {
        frame_at: Some(frame_at),
        was_alone: true,
    })
}

fn not_alone_at(frame_at: usize) -> Option<LastStreamEnd> {
    Some(LastStreamEnd {
        frame_at: Some(frame_at),
        was_alone: false,
    })
}

#[test]
fn request_is_active_until_its_response_ends() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        assert_eq!(
            (
                peers.active(),
                peers.connection.requests(),
                peers.connection.last_stream_id()
            ),
            (1, 1, 1)
        );
        let head = headers(END_HEADERS, 1);
        assert_eq!(peers.server(&head).last_stream_end, None);
        let body = [data(NONE, 1, 300), data(END_STREAM, 1, 7)].concat();
        let write = peers.server(&body);
        assert_eq!(write.last_stream_end, alone_at(HEADER + 300));
        assert!(write.fits_at_start && write.fits_at_end && !write.has_goaway);
        assert_eq!(peers.active(), 0);
    });
}

#[test]
fn response_may_end_with_its_headers() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        assert_eq!(peers.server(&get(1)).last_stream_end, alone_at(0));
    });
}

#[test]
fn upload_ends_with_data_or_trailers() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(
            &[
                headers(END_HEADERS, 1),
                data(NONE, 1, 20),
                data(END_STREAM, 1, 0),
            ]
            .concat(),
        );
        peers.client(&[headers(END_HEADERS, 3), data(NONE, 3, 20), get(3)].concat());
        assert_eq!((peers.active(), peers.connection.requests()), (2, 2));
        assert_eq!(peers.server(&response(1)).last_stream_end, None);
        assert_eq!(
            peers.server(&response(3)).last_stream_end,
            not_alone_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn grpc_response_ends_with_its_trailers() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[headers(END_HEADERS, 1), data(END_STREAM, 1, 12)].concat());
        let start = [headers(END_HEADERS, 1), data(NONE, 1, 12)].concat();
        let write = peers.server(&[start.clone(), get(1)].concat());
        assert_eq!(write.last_stream_end, alone_at(start.len()));
    });
}

#[test]
fn interim_responses_do_not_end_the_stream() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_HEADERS, 1));
        peers.server(&[headers(END_HEADERS, 1), headers(END_HEADERS, 1)].concat());
        peers.client(&data(END_STREAM, 1, 5));
        assert_eq!(peers.active(), 1);
        assert_eq!(
            peers.server(&response(1)).last_stream_end,
            alone_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn extended_connect_is_active_until_both_peers_end_it() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_HEADERS, 1));
        peers.server(&headers(END_HEADERS, 1));
        peers.client(&data(NONE, 1, 40));
        peers.server(&data(NONE, 1, 40));
        peers.client(&data(END_STREAM, 1, 0));
        assert_eq!(peers.active(), 1);
        assert_eq!(
            peers.server(&data(END_STREAM, 1, 0)).last_stream_end,
            alone_at(0)
        );
    });
}

#[test]
fn early_response_ends_with_the_reset_of_its_request() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[headers(END_HEADERS, 1), data(NONE, 1, 20)].concat());
        assert_eq!(peers.server(&response(1)).last_stream_end, None);
        assert_eq!(peers.active(), 1);
        assert_eq!(peers.server(&reset(1)).last_stream_end, alone_at(0));
        assert_eq!(peers.active(), 0);
    });
}

#[test]
fn client_may_end_the_stream_after_an_early_response() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_HEADERS, 1));
        assert_eq!(peers.server(&response(1)).last_stream_end, None);
        peers.client(&data(END_STREAM, 1, 20));
        assert_eq!(peers.active(), 0);
        assert_eq!(
            peers.server(&frame(PING, ACK, 0, &[0; 8])).last_stream_end,
            None
        );
    });
}

#[test]
fn client_reset_ends_the_stream() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[headers(END_HEADERS, 1), reset(1)].concat());
        assert_eq!(peers.active(), 0);
        // The codec may have written these before it read the reset.
        assert_eq!(
            peers
                .server(&[response(1), reset(1)].concat())
                .last_stream_end,
            None
        );
    });
}

#[test]
fn frames_that_crossed_a_reset_pass() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_HEADERS, 1));
        assert_eq!(peers.server(&reset(1)).last_stream_end, alone_at(0));
        peers.client(
            &[
                data(NONE, 1, 10),
                window_update(1, 10),
                data(END_STREAM, 1, 10),
                reset(1),
            ]
            .concat(),
        );
        peers.client(&headers(END_HEADERS, 3));
        peers.server(&reset(3));
        peers.client(&get(3));
        assert_eq!((peers.active(), peers.connection.requests()), (0, 2));
    });
}

#[test]
fn late_frames_pass_after_resets_in_any_order() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[headers(END_HEADERS, 1), headers(END_HEADERS, 3)].concat());
        peers.server(&[reset(3), reset(1)].concat());
        peers.client(&[data(NONE, 3, 10), data(NONE, 1, 10)].concat());
        assert_eq!(peers.active(), 0);
    });
}

#[test]
fn window_updates_and_priorities_pass_on_idle_and_closed_streams() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&frame(PRIORITY, NONE, 7, &[0; 5]));
        peers.client(&get(1));
        peers.server(&response(1));
        peers.client(
            &[
                window_update(1, 10),
                window_update(0, 10),
                frame(PRIORITY, NONE, 1, &[0; 5]),
            ]
            .concat(),
        );
        assert_eq!((peers.active(), peers.connection.last_stream_id()), (0, 1));
    });
}

#[test]
fn last_of_several_streams_is_reported() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[get(1), get(3), get(5)].concat());
        assert!(peers.connection.multiplexes());
        assert_eq!(peers.server(&response(3)).last_stream_end, None);
        let write = peers.server(&[response(1), response(5)].concat());
        assert_eq!(
            write.last_stream_end,
            not_alone_at(response(1).len() + HEADER + BLOCK.len())
        );
        peers.client(&get(7));
        assert_eq!(
            peers.server(&response(7)).last_stream_end,
            alone_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn sequential_requests_are_not_multiplexing() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        for stream in [1, 3, 5] {
            peers.client(&get(stream));
            assert_eq!(
                peers.server(&response(stream)).last_stream_end,
                alone_at(HEADER + BLOCK.len())
            );
        }
        assert!(!peers.connection.multiplexes());
    });
}

#[test]
fn stream_is_not_alone_after_a_concurrent_one_has_ended() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.client(&[get(3), reset(3)].concat());
        assert_eq!(peers.server(&get(1)).last_stream_end, not_alone_at(0));
    });
}

#[test]
fn end_stream_takes_effect_at_the_end_of_the_header_block() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_STREAM, 1));
        assert_eq!(peers.active(), 1);
        peers.client(&frame(CONTINUATION, NONE, 1, BLOCK));
        peers.client(&frame(CONTINUATION, END_HEADERS, 1, BLOCK));
        let body = [headers(END_HEADERS, 1), data(NONE, 1, 3)].concat();
        let write = peers.server(&[body.clone(), headers(END_STREAM, 1)].concat());
        assert!(write.fits_at_start && !write.fits_at_end);
        let write = peers.server(&frame(CONTINUATION, NONE, 1, BLOCK));
        assert!(!write.fits_at_start && !write.fits_at_end && write.last_stream_end.is_none());
        let write = peers.server(&frame(CONTINUATION, END_HEADERS, 1, BLOCK));
        assert_eq!(
            write.last_stream_end,
            Some(LastStreamEnd {
                frame_at: None,
                was_alone: true
            })
        );
        assert!(!write.fits_at_start && write.fits_at_end);
    });
}

#[test]
fn header_block_is_reported_at_its_headers_frame() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        let ping = frame(PING, NONE, 0, &[0; 8]);
        let block = [
            headers(END_STREAM, 1),
            frame(CONTINUATION, END_HEADERS, 1, BLOCK),
        ]
        .concat();
        assert_eq!(
            peers
                .server(&[ping.clone(), block].concat())
                .last_stream_end,
            alone_at(ping.len())
        );
    });
}

#[test]
fn end_stream_on_continuation_is_ignored() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.server(&[headers(NONE, 1), frame(CONTINUATION, END_HEADERS, 1, BLOCK)].concat());
        assert_eq!(peers.active(), 1);
        // CONTINUATION has no END_STREAM flag (RFC 9113 6.10).
        peers.server(&[headers(NONE, 1), frame(CONTINUATION, WHOLE, 1, BLOCK)].concat());
        assert_eq!(peers.active(), 1);
    });
}

#[test]
fn padding_and_priority_are_skipped() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        let weighted = frame(HEADERS, END_HEADERS | PADDED | PRIORITY_FLAG, 1, &[0; 20]);
        peers.client(&[weighted, frame(DATA, END_STREAM | PADDED, 1, &[0; 9])].concat());
        let padded = frame(HEADERS, END_HEADERS | PADDED, 1, &[0; 20]);
        let write =
            peers.server(&[padded.clone(), frame(DATA, END_STREAM | PADDED, 1, &[0; 9])].concat());
        assert_eq!(write.last_stream_end, alone_at(padded.len()));
    });
}

#[test]
fn unknown_frames_are_skipped() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        let grease = |stream| frame(GREASE, 0xff, stream, &[7; 30]);
        peers.client(&[grease(0), grease(9), get(1), grease(1)].concat());
        assert_eq!(
            peers
                .server(&[grease(0), grease(2), get(1)].concat())
                .last_stream_end,
            alone_at(2 * grease(0).len())
        );
    });
}
