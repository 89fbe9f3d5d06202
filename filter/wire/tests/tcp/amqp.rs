//! AMQP 0-9-1: conversations by its specification and RabbitMQ's extensions.

mod messages;

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, SessionState, TcpProtocol, UnsafeReason};
use messages::*;

fn greeted() -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::Amqp);
    conversation
        .client(PROTOCOL_HEADER)
        .server(method(0, 10, 10, &[0, 9, 0, 0, 0, 0]))
        .client(method(0, 10, 11, &[0; 8]))
        .server(method(0, 10, 30, &[0; 8]))
        .client(
            [
                method(0, 10, 31, &[0; 8]),
                method(0, 10, 40, &[1, b'/', 0, 0]),
            ]
            .concat(),
        );
    conversation
}

fn connected() -> Conversation {
    let mut conversation = greeted();
    conversation.server(method(0, 10, 41, &[0]));
    conversation
}

/// A connection with channel 1.
fn opened() -> Conversation {
    let mut conversation = connected();
    conversation
        .client(method(1, 20, 10, &[0]))
        .server(method(1, 20, 11, &[0; 4]));
    conversation
}

fn confirming() -> Conversation {
    let mut conversation = opened();
    conversation
        .client(method(1, 85, 10, &[0]))
        .server(method(1, 85, 11, &[]));
    conversation
}

fn consuming() -> Conversation {
    let mut conversation = opened();
    conversation
        .client(consume(1, 0))
        .server(method(1, 60, 21, &name("ctag1")));
    conversation
}

#[test]
fn handshake_ends_with_open_ok() {
    Conversation::new(TcpProtocol::Amqp).is_unsafe(UnsafeReason::Handshake);
    greeted()
        .is_unsafe(UnsafeReason::Handshake)
        .server(method(0, 10, 41, &[0]))
        .is_safe_when_idle()
        .server(frame(8, 0, &[]))
        .client(frame(8, 0, &[]))
        .is_safe_when_idle();
}

#[test]
fn method_is_unsafe_until_its_response() {
    let three = [
        &[0, 0][..],
        &name("a"),
        &name("b"),
        &name("c"),
        &[0],
        &[0; 4],
    ]
    .concat();
    let one = [&[0, 0][..], &name("a"), &[0]].concat();
    for (class, id, response, arguments) in [
        (20, 20, 21, vec![1]),
        (
            40,
            10,
            11,
            [&[0, 0][..], &name("a"), &name("direct"), &[2], &[0; 4]].concat(),
        ),
        (40, 20, 21, one.clone()),
        (40, 30, 31, three.clone()),
        (40, 40, 51, three.clone()),
        (50, 10, 11, [&one[..], &[0; 4]].concat()),
        (50, 20, 21, three.clone()),
        (50, 30, 31, one.clone()),
        (50, 40, 41, one),
        (50, 50, 51, three),
        (60, 10, 11, vec![0; 7]),
        (60, 30, 31, [&name("ctag1")[..], &[0]].concat()),
        (60, 110, 111, vec![1]),
        (85, 10, 11, vec![0]),
        (90, 10, 11, vec![]),
    ] {
        opened()
            .client(method(1, class, id, &arguments))
            .is_unsafe(UnsafeReason::Response)
            .server(method(1, class, response, &[0; 4]))
            .is_safe_when_idle();
    }
}

#[test]
fn method_with_no_wait_has_no_response() {
    opened().client(queue_declare(0x10)).is_safe_when_idle();
    opened().client(consume(1, 0x08)).is_safe_when_idle();
    confirming()
        .client(method(1, 85, 10, &[1]))
        .is_safe_when_idle();
}

#[test]
fn channel_is_unsafe_until_it_is_open_or_closed() {
    connected()
        .client(method(1, 20, 10, &[0]))
        .is_unsafe(UnsafeReason::Response)
        .server(method(1, 20, 11, &[0; 4]))
        .is_safe_when_idle()
        .client(method(1, 20, 40, &[0, 200, 0, 0, 0, 0, 0]))
        .is_unsafe(UnsafeReason::Response)
        .server(method(1, 20, 41, &[]))
        .is_safe_when_idle();
    consuming()
        .server(deliver(1, 1, b"a"))
        .server(method(1, 20, 40, &[1, 148, 0, 0, 0, 0, 0]))
        .is_unsafe(UnsafeReason::Response)
        .client(method(1, 20, 41, &[]))
        .is_safe_when_idle();
}

#[test]
fn message_is_unsafe_until_the_last_frame_of_its_body() {
    let message = publish(1, &[0xce; 600]);
    for split in [3, 20, 40, 60, 650] {
        opened()
            .client(&message[..split])
            .is_unsafe(UnsafeReason::Message)
            .client(&message[split..])
            .is_pinned(PinReason::NoConfirms);
    }
    confirming()
        .client(publish(1, b""))
        .is_unsafe(UnsafeReason::Publish);
}

#[test]
fn frames_of_channels_may_alternate() {
    let (first, second) = (publish(1, b"abcd"), publish(2, b"efgh"));
    let (head, tail) = first.split_at(first.len() - 10);
    opened()
        .client(method(2, 20, 10, &[0]))
        .server(method(2, 20, 11, &[0; 4]))
        .client([head, &second].concat())
        .is_unsafe(UnsafeReason::Message)
        .client(tail)
        .is_pinned(PinReason::NoConfirms);
}

#[test]
fn publish_is_unsafe_until_its_confirm() {
    confirming()
        .client([publish(1, b"a"), publish(1, b"b"), publish(1, b"c")].concat())
        .is_unsafe(UnsafeReason::Publish)
        .server(ack(1, 3, false))
        .is_unsafe(UnsafeReason::Publish)
        .server(ack(1, 2, true))
        .is_safe_when_idle()
        .client(publish(1, b"d"))
        .server(method(1, 60, 120, &[0, 0, 0, 0, 0, 0, 0, 4, 0]))
        .is_safe_when_idle();
}

#[test]
fn returned_message_is_a_message_of_the_server() {
    let returned = method(
        1,
        60,
        50,
        &[&[1, 56][..], &name("NO_ROUTE"), &name(""), &name("q")].concat(),
    );
    confirming()
        .client(publish(1, b"a"))
        .server([returned, content(1, b"a"), ack(1, 1, false)].concat())
        .is_safe_when_idle();
}

#[test]
fn delivery_is_unsafe_until_its_acknowledgement() {
    let reject = |tag: u8| method(1, 60, 90, &[0, 0, 0, 0, 0, 0, 0, tag, 1]);
    let nack = |tag: u8| method(1, 60, 120, &[0, 0, 0, 0, 0, 0, 0, tag, 3]);
    consuming()
        .is_safe_when_idle()
        .server([deliver(1, 1, b"a"), deliver(1, 2, b""), deliver(1, 3, b"c")].concat())
        .is_unsafe(UnsafeReason::Delivery)
        .client(ack(1, 2, true))
        .is_unsafe(UnsafeReason::Delivery)
        .client(reject(3))
        .is_safe_when_idle()
        .server([deliver(1, 4, b"d"), deliver(1, 5, b"e")].concat())
        .client(reject(5))
        .is_unsafe(UnsafeReason::Delivery)
        .client(nack(4))
        .is_safe_when_idle()
        .server(deliver(1, 6, b"f"))
        .client(ack(1, 0, true))
        .is_safe_when_idle();
}

#[test]
fn get_is_unsafe_until_its_acknowledgement() {
    let get = |flags| method(1, 60, 70, &[&[0, 0][..], &name("q"), &[flags]].concat());
    let got = |tag: u8| {
        let arguments = [
            &[0, 0, 0, 0, 0, 0, 0, tag, 0][..],
            &name(""),
            &name("q"),
            &[0; 4],
        ]
        .concat();
        [method(1, 60, 71, &arguments), content(1, b"a")].concat()
    };
    opened()
        .client(get(0))
        .is_unsafe(UnsafeReason::Response)
        .server(method(1, 60, 72, &[0]))
        .is_safe_when_idle()
        .client(get(0))
        .server(got(1))
        .is_unsafe(UnsafeReason::Delivery)
        .client(ack(1, 1, false))
        .is_safe_when_idle()
        .client(get(1))
        .server(got(2))
        .is_safe_when_idle();
}

#[test]
fn recover_ends_deliveries() {
    consuming()
        .server(deliver(1, 1, b"a"))
        .client(method(1, 60, 100, &[1]))
        .is_safe_when_idle();
}

#[test]
fn transaction_is_unsafe_until_commit_or_rollback() {
    let select = [method(1, 90, 10, &[])].concat();
    for (end, ended) in [(20, 21), (30, 31)] {
        opened()
            .client(&select)
            .server(method(1, 90, 11, &[]))
            .is_safe_when_idle()
            .client(publish(1, b"a"))
            .is_unsafe(UnsafeReason::Transaction)
            .client(method(1, 90, end, &[]))
            .is_unsafe(UnsafeReason::Response)
            .server(method(1, 90, ended, &[]))
            .is_safe_when_idle();
    }
    consuming()
        .client(&select)
        .server([method(1, 90, 11, &[]), deliver(1, 1, b"a")].concat())
        .client(ack(1, 1, false))
        .is_unsafe(UnsafeReason::Transaction);
}

#[test]
fn missing_confirms_and_acknowledgements_and_exclusive_queues_pin() {
    opened()
        .client(publish(1, b"a"))
        .is_pinned(PinReason::NoConfirms)
        .client(method(1, 20, 40, &[0, 200, 0, 0, 0, 0, 0]))
        .server(method(1, 20, 41, &[]))
        .is_safe_when_idle();
    opened()
        .client(consume(1, 0x02))
        .server(method(1, 60, 21, &name("ctag1")))
        .server(deliver(1, 1, b"a"))
        .is_pinned(PinReason::NoAcknowledgements);
    for (flags, state) in [
        (0x04, SessionState::Pinned(PinReason::ExclusiveQueue)),
        (0x05, SessionState::SafeWhenIdle),
        (0x02, SessionState::SafeWhenIdle),
    ] {
        let declared = [&name("q")[..], &[0; 8]].concat();
        opened()
            .client(queue_declare(flags))
            .server(method(1, 50, 11, &declared))
            .is(state);
    }
}

#[test]
fn consumed_queue_with_auto_delete_pins() {
    let declare = |mut conversation: Conversation, flags| {
        let declared = [&name("q")[..], &[0; 8]].concat();
        conversation
            .client(queue_declare(flags))
            .server(method(1, 50, 11, &declared));
        conversation
    };
    let (auto_delete, passive) = (0x08, 0x01);
    declare(consuming(), auto_delete).is_pinned(PinReason::ExclusiveQueue);
    declare(consuming(), auto_delete | passive).is_safe_when_idle();
    declare(opened(), auto_delete).is_safe_when_idle();
}

#[test]
fn close_of_either_side_is_closing() {
    let close = method(0, 10, 50, &[0, 200, 0, 0, 0, 0, 0]);
    opened().client(&close).is_unsafe(UnsafeReason::Closing);
    opened().server(&close).is_unsafe(UnsafeReason::Closing);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    let first = |bytes: &[u8], reason| {
        Conversation::new(TcpProtocol::Amqp)
            .client(bytes)
            .is_bypassed(reason);
    };
    first(&[0x16, 3, 1], BypassReason::Encrypted);
    first(b"AMQP\0\x01\0\0", BypassReason::Unsupported);
    first(b"AMQP\x03\x01\0\0", BypassReason::Unsupported);
    first(b"GET / HTTP/1.1\r\n", BypassReason::Malformed);
    Conversation::new(TcpProtocol::Amqp)
        .client(PROTOCOL_HEADER)
        .server(PROTOCOL_HEADER)
        .is_bypassed(BypassReason::Unsupported);
    let header = |size: u8| frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, 0, 0]);
    let publish = method(1, 60, 40, &[0, 0, 0, 0, 0]);
    for (bytes, reason) in [
        (method(1, 60, 80, &[0; 8]), BypassReason::Malformed),
        (frame(1, 1, &[0, 60]), BypassReason::Malformed),
        (method(9, 60, 40, &[0; 5]), BypassReason::OutOfStep),
        (header(3), BypassReason::OutOfStep),
        (
            [publish.clone(), frame(3, 1, b"a")].concat(),
            BypassReason::OutOfStep,
        ),
        (
            [publish, header(1), frame(3, 1, b"ab")].concat(),
            BypassReason::Malformed,
        ),
    ] {
        opened().client(bytes).is_bypassed(reason);
    }
}

#[test]
fn more_channels_than_the_limit_are_bypassed() {
    let open = |id: u16| method(id, 20, 10, &[0]);
    let all: Vec<u8> = (1..=128).flat_map(open).collect();
    connected()
        .client(all)
        .is_unsafe(UnsafeReason::Response)
        .client(open(129))
        .is_bypassed(BypassReason::TooManyInFlight);
}
