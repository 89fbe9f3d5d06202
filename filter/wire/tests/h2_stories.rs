//! What happens on HTTP/2 connections, told frame by frame; every story also with its bytes cut.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_support;

use evenkeel_wire::h2::{AbortedResponse, Http2Scanner, LastStreamEnd};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn alone_at(frame_at: usize) -> Option<LastStreamEnd> {
    Some(LastStreamEnd {
        frame_at: Some(frame_at),
        was_alone: true,
    })
}

fn in_company_at(frame_at: usize) -> Option<LastStreamEnd> {
    Some(LastStreamEnd {
        frame_at: Some(frame_at),
        was_alone: false,
    })
}

#[test]
fn a_request_is_active_until_its_answer_has_ended() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        assert_eq!(
            (
                talk.active(),
                talk.connection.requests(),
                talk.connection.last_stream_id()
            ),
            (1, 1, 1)
        );
        let head = headers(END_HEADERS, 1);
        assert_eq!(talk.server(&head).last_stream_end, None);
        let body = [data(NONE, 1, 300), data(END_STREAM, 1, 7)].concat();
        let write = talk.server(&body);
        assert_eq!(write.last_stream_end, alone_at(HEADER + 300));
        assert!(write.fits_at_start && write.fits_at_end && !write.has_goaway);
        assert_eq!(talk.active(), 0);
    });
}

#[test]
fn an_answer_may_end_with_its_headers() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        assert_eq!(talk.server(&get(1)).last_stream_end, alone_at(0));
    });
}

#[test]
fn an_upload_ends_with_its_last_data_or_its_trailers() {
    however_cut(|talk| {
        talk.greet();
        talk.client(
            &[
                headers(END_HEADERS, 1),
                data(NONE, 1, 20),
                data(END_STREAM, 1, 0),
            ]
            .concat(),
        );
        talk.client(&[headers(END_HEADERS, 3), data(NONE, 3, 20), get(3)].concat());
        assert_eq!((talk.active(), talk.connection.requests()), (2, 2));
        assert_eq!(talk.server(&answer(1)).last_stream_end, None);
        assert_eq!(
            talk.server(&answer(3)).last_stream_end,
            in_company_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn a_grpc_answer_ends_with_its_trailers() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[headers(END_HEADERS, 1), data(END_STREAM, 1, 12)].concat());
        let start = [headers(END_HEADERS, 1), data(NONE, 1, 12)].concat();
        let write = talk.server(&[start.clone(), get(1)].concat());
        assert_eq!(write.last_stream_end, alone_at(start.len()));
    });
}

#[test]
fn interim_answers_end_nothing() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_HEADERS, 1));
        talk.server(&[headers(END_HEADERS, 1), headers(END_HEADERS, 1)].concat());
        talk.client(&data(END_STREAM, 1, 5));
        assert_eq!(talk.active(), 1);
        assert_eq!(
            talk.server(&answer(1)).last_stream_end,
            alone_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn a_tunnel_of_extended_connect_is_active_until_both_have_left() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_HEADERS, 1));
        talk.server(&headers(END_HEADERS, 1));
        talk.client(&data(NONE, 1, 40));
        talk.server(&data(NONE, 1, 40));
        talk.client(&data(END_STREAM, 1, 0));
        assert_eq!(talk.active(), 1);
        assert_eq!(
            talk.server(&data(END_STREAM, 1, 0)).last_stream_end,
            alone_at(0)
        );
    });
}

#[test]
fn an_early_answer_is_quiet_when_the_rest_is_refused() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[headers(END_HEADERS, 1), data(NONE, 1, 20)].concat());
        assert_eq!(talk.server(&answer(1)).last_stream_end, None);
        assert_eq!(talk.active(), 1);
        assert_eq!(talk.server(&reset(1)).last_stream_end, alone_at(0));
        assert_eq!(talk.active(), 0);
    });
}

#[test]
fn an_early_answer_is_quiet_without_a_word_when_the_client_ends_after_it() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_HEADERS, 1));
        assert_eq!(talk.server(&answer(1)).last_stream_end, None);
        talk.client(&data(END_STREAM, 1, 20));
        assert_eq!(talk.active(), 0);
        assert_eq!(
            talk.server(&frame(PING, ACK, 0, &[0; 8])).last_stream_end,
            None
        );
    });
}

#[test]
fn a_reset_of_the_client_ends_its_stream() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[headers(END_HEADERS, 1), reset(1)].concat());
        assert_eq!(talk.active(), 0);
        // The codec may have made these before it knew.
        assert_eq!(
            talk.server(&[answer(1), reset(1)].concat()).last_stream_end,
            None
        );
    });
}

#[test]
fn frames_that_crossed_a_reset_are_let_pass() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_HEADERS, 1));
        assert_eq!(talk.server(&reset(1)).last_stream_end, alone_at(0));
        talk.client(
            &[
                data(NONE, 1, 10),
                window_update(1, 10),
                data(END_STREAM, 1, 10),
                reset(1),
            ]
            .concat(),
        );
        talk.client(&headers(END_HEADERS, 3));
        talk.server(&reset(3));
        talk.client(&get(3));
        assert_eq!((talk.active(), talk.connection.requests()), (0, 2));
    });
}

#[test]
fn resets_in_any_order_leave_all_their_streams_open_to_late_frames() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[headers(END_HEADERS, 1), headers(END_HEADERS, 3)].concat());
        talk.server(&[reset(3), reset(1)].concat());
        talk.client(&[data(NONE, 3, 10), data(NONE, 1, 10)].concat());
        assert_eq!(talk.active(), 0);
    });
}

#[test]
fn window_updates_and_priorities_come_late_and_early() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&frame(PRIORITY, NONE, 7, &[0; 5]));
        talk.client(&get(1));
        talk.server(&answer(1));
        talk.client(
            &[
                window_update(1, 10),
                window_update(0, 10),
                frame(PRIORITY, NONE, 1, &[0; 5]),
            ]
            .concat(),
        );
        assert_eq!((talk.active(), talk.connection.last_stream_id()), (0, 1));
    });
}

#[test]
fn the_last_of_several_streams_to_end_makes_it_quiet() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[get(1), get(3), get(5)].concat());
        assert!(talk.connection.multiplexes());
        assert_eq!(talk.server(&answer(3)).last_stream_end, None);
        let write = talk.server(&[answer(1), answer(5)].concat());
        assert_eq!(
            write.last_stream_end,
            in_company_at(answer(1).len() + HEADER + BLOCK.len())
        );
        talk.client(&get(7));
        assert_eq!(
            talk.server(&answer(7)).last_stream_end,
            alone_at(HEADER + BLOCK.len())
        );
    });
}

#[test]
fn one_request_after_the_other_is_no_multiplexing() {
    however_cut(|talk| {
        talk.greet();
        for stream in [1, 3, 5] {
            talk.client(&get(stream));
            assert_eq!(
                talk.server(&answer(stream)).last_stream_end,
                alone_at(HEADER + BLOCK.len())
            );
        }
        assert!(!talk.connection.multiplexes());
    });
}

#[test]
fn a_stream_remembers_company_that_has_left() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.client(&[get(3), reset(3)].concat());
        assert_eq!(talk.server(&get(1)).last_stream_end, in_company_at(0));
    });
}

#[test]
fn a_header_block_ends_the_stream_where_it_ends() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_STREAM, 1));
        assert_eq!(talk.active(), 1);
        talk.client(&frame(CONTINUATION, NONE, 1, BLOCK));
        talk.client(&frame(CONTINUATION, END_HEADERS, 1, BLOCK));
        let body = [headers(END_HEADERS, 1), data(NONE, 1, 3)].concat();
        let write = talk.server(&[body.clone(), headers(END_STREAM, 1)].concat());
        assert!(write.fits_at_start && !write.fits_at_end);
        let write = talk.server(&frame(CONTINUATION, NONE, 1, BLOCK));
        assert!(!write.fits_at_start && !write.fits_at_end && write.last_stream_end.is_none());
        let write = talk.server(&frame(CONTINUATION, END_HEADERS, 1, BLOCK));
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
fn a_header_block_in_one_write_has_the_place_of_its_headers() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        let ping = frame(PING, NONE, 0, &[0; 8]);
        let block = [
            headers(END_STREAM, 1),
            frame(CONTINUATION, END_HEADERS, 1, BLOCK),
        ]
        .concat();
        assert_eq!(
            talk.server(&[ping.clone(), block].concat()).last_stream_end,
            alone_at(ping.len())
        );
    });
}

#[test]
fn a_header_block_without_end_stream_ends_nothing() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.server(&[headers(NONE, 1), frame(CONTINUATION, END_HEADERS, 1, BLOCK)].concat());
        assert_eq!(talk.active(), 1);
        // END_STREAM means nothing on CONTINUATION.
        talk.server(&[headers(NONE, 1), frame(CONTINUATION, WHOLE, 1, BLOCK)].concat());
        assert_eq!(talk.active(), 1);
    });
}

#[test]
fn padding_and_weights_are_payload_like_any() {
    however_cut(|talk| {
        talk.greet();
        let weighted = frame(HEADERS, END_HEADERS | PADDED | WEIGHTED, 1, &[0; 20]);
        talk.client(&[weighted, frame(DATA, END_STREAM | PADDED, 1, &[0; 9])].concat());
        let padded = frame(HEADERS, END_HEADERS | PADDED, 1, &[0; 20]);
        let write =
            talk.server(&[padded.clone(), frame(DATA, END_STREAM | PADDED, 1, &[0; 9])].concat());
        assert_eq!(write.last_stream_end, alone_at(padded.len()));
    });
}

#[test]
fn unknown_frames_are_skipped() {
    however_cut(|talk| {
        talk.greet();
        let grease = |stream| frame(GREASE, 0xff, stream, &[7; 30]);
        talk.client(&[grease(0), grease(9), get(1), grease(1)].concat());
        assert_eq!(
            talk.server(&[grease(0), grease(2), get(1)].concat())
                .last_stream_end,
            alone_at(2 * grease(0).len())
        );
    });
}

#[test]
fn a_pushed_stream_is_active_until_the_server_ends_it() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.server(&[push_promise(END_HEADERS, 1, 2), answer(1)].concat());
        assert_eq!(
            (
                talk.active(),
                talk.connection.requests(),
                talk.connection.last_stream_id()
            ),
            (1, 1, 1)
        );
        assert_eq!(
            talk.server(&answer(2)).last_stream_end,
            in_company_at(HEADER + BLOCK.len())
        );
        assert!(!talk.connection.multiplexes());
    });
}

#[test]
fn a_promise_may_be_padded_and_continued() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        let promised = [&[3][..], &2_u32.to_be_bytes(), BLOCK, &[0; 3]].concat();
        let write = talk.server(&frame(PUSH_PROMISE, PADDED, 1, &promised));
        assert!(!write.fits_at_end);
        talk.server(&[frame(CONTINUATION, END_HEADERS, 1, BLOCK), answer(1)].concat());
        assert_eq!(talk.active(), 1);
        talk.client(&[window_update(2, 9), reset(2)].concat());
        assert_eq!(talk.active(), 0);
    });
}

#[test]
fn a_goaway_of_the_server_leaves_what_it_refuses_to_nobody() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[get(1), headers(END_HEADERS, 3)].concat());
        assert!(talk.server(&go_away(1)).has_goaway);
        assert_eq!((talk.active(), talk.connection.requests()), (1, 2));
        talk.client(&[data(END_STREAM, 3, 8), get(5)].concat());
        assert_eq!((talk.active(), talk.connection.requests()), (1, 2));
        let write = talk.server(&answer(1));
        assert!(write.last_stream_end.is_some() && !write.has_goaway);
    });
}

#[test]
fn a_first_graceful_goaway_of_the_server_refuses_nothing() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.server(&go_away((1 << 31) - 1));
        talk.client(&get(3));
        assert_eq!((talk.active(), talk.connection.requests()), (2, 2));
    });
}

#[test]
fn a_goaway_of_the_client_refuses_only_what_is_pushed() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.server(
            &[
                push_promise(END_HEADERS, 1, 2),
                push_promise(END_HEADERS, 1, 4),
            ]
            .concat(),
        );
        talk.client(&go_away(2));
        assert_eq!(talk.active(), 2);
        talk.server(&[answer(4), push_promise(END_HEADERS, 1, 6), answer(2)].concat());
        assert_eq!(talk.active(), 1);
        assert!(talk.server(&answer(1)).last_stream_end.is_some());
    });
}

#[test]
fn nothing_fits_before_the_settings_of_the_server() {
    however_cut(|talk| {
        let write = talk.server(&settings(&[(3, 100), (4, 65_535)]));
        assert!(!write.fits_at_start && write.fits_at_end);
        let write = talk.server(&[]);
        assert!(write.fits_at_start && write.fits_at_end);
    });
}

#[test]
fn nothing_fits_inside_a_frame() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        let body = data(END_STREAM, 1, 20);
        let (head, tail) = body.split_at(12);
        let write = talk.server(&[headers(END_HEADERS, 1), head.to_vec()].concat());
        assert!(write.fits_at_start && !write.fits_at_end);
        let write = talk.server(tail);
        assert!(!write.fits_at_start && write.fits_at_end);
        assert_eq!(
            write.last_stream_end,
            Some(LastStreamEnd {
                frame_at: None,
                was_alone: true
            })
        );
    });
}

#[test]
fn a_promise_behind_the_last_answer_is_no_quiet_moment() {
    // Told whole only: cut behind the answer, the first write is quiet.
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut [client_greeting(), get(1)].concat().as_slice())
        .unwrap();
    let bytes = [
        server_greeting(),
        push_promise(END_HEADERS, 1, 2),
        reset(2),
        get(1),
    ]
    .concat();
    assert!(
        connection
            .scan_upstream(&mut bytes.as_slice())
            .unwrap()
            .last_stream_end
            .is_some()
    );
    connection.scan_downstream(&mut get(3).as_slice()).unwrap();
    let bytes = [reset(3), push_promise(END_HEADERS, 3, 4)].concat();
    assert_eq!(
        connection
            .scan_upstream(&mut bytes.as_slice())
            .unwrap()
            .last_stream_end,
        None
    );
}

#[test]
fn an_answer_that_the_server_breaks_off_is_told_of() {
    let cut = |frame_at, client_ended| {
        Some(AbortedResponse {
            stream: 1,
            frame_at: Some(frame_at),
            client_ended,
        })
    };
    however_cut(|talk| {
        talk.greet();
        talk.client(&get(1));
        talk.server(&headers(END_HEADERS, 1));
        assert_eq!(talk.server(&reset(1)).aborted_response, cut(0, true));
    });
    however_cut(|talk| {
        talk.greet();
        talk.client(&headers(END_HEADERS, 1));
        let write = [headers(END_HEADERS, 1), reset(1)].concat();
        assert_eq!(
            talk.server(&write).aborted_response,
            cut(HEADER + BLOCK.len(), false)
        );
    });
}

#[test]
fn a_reset_before_the_answer_or_behind_its_end_breaks_nothing_off() {
    however_cut(|talk| {
        talk.greet();
        talk.client(&[get(1), headers(END_HEADERS, 3)].concat());
        assert_eq!(talk.server(&reset(1)).aborted_response, None);
        assert_eq!(
            talk.server(&[answer(3), reset(3)].concat())
                .aborted_response,
            None
        );
    });
}
