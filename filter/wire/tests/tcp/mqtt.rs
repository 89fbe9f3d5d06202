//! MQTT: conversations by the OASIS standards of 3.1.1 and 5.

use crate::conversation::Conversation;
use evenkeel_wire::BypassReason;
use evenkeel_wire::tcp::{PinReason, SessionState, TcpProtocol, UnsafeReason};

const CLEAN: u8 = 2;

fn packet(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = payload.len();
    loop {
        let digit = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    bytes.extend(payload);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn connect(version: u8, flags: u8, properties: &[u8]) -> Vec<u8> {
    let head = [&text("MQTT")[..], &[version, flags, 0, 60]].concat();
    let properties = match version {
        5 => [&[u8::try_from(properties.len()).unwrap()], properties].concat(),
        _ => Vec::new(),
    };
    packet(0x10, &[head, properties, text("client")].concat())
}

fn expiry(seconds: u32) -> Vec<u8> {
    [&[0x11], &seconds.to_be_bytes()[..]].concat()
}

fn publish(qos: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
    let id = if qos > 0 {
        id.to_be_bytes().to_vec()
    } else {
        Vec::new()
    };
    packet(0x30 | (qos << 1), &[&text(topic), &id, payload].concat())
}

fn with_id(first: u8, id: u16, rest: &[u8]) -> Vec<u8> {
    packet(first, &[&id.to_be_bytes(), rest].concat())
}

fn subscribe(id: u16) -> Vec<u8> {
    with_id(0x82, id, &[&text("orders/#")[..], &[1]].concat())
}

fn connected(flags: u8) -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::Mqtt);
    conversation
        .client(connect(4, flags, &[]))
        .server(packet(0x20, &[0, 0]));
    conversation
}

fn connected_5(flags: u8, connect_properties: &[u8], connack_properties: &[u8]) -> Conversation {
    let mut conversation = Conversation::new(TcpProtocol::Mqtt);
    let length = u8::try_from(connack_properties.len()).unwrap();
    conversation
        .client(connect(5, flags, connect_properties))
        .server(packet(
            0x20,
            &[&[0, 0, length], connack_properties].concat(),
        ));
    conversation
}

#[test]
fn handshake_ends_with_connack() {
    for version in [3, 4, 5, 0x84] {
        let connack: &[u8] = if version == 5 { &[0, 0, 0] } else { &[0, 0] };
        let connect = match version {
            3 => packet(
                0x10,
                &[&text("MQIsdp")[..], &[3, CLEAN, 0, 60], &text("a")].concat(),
            ),
            version => connect(version, CLEAN, &[]),
        };
        Conversation::new(TcpProtocol::Mqtt)
            .is_unsafe(UnsafeReason::Handshake)
            .client(connect)
            .is_unsafe(UnsafeReason::Handshake)
            .server(packet(0x20, connack))
            .is_safe();
    }
}

#[test]
fn rejected_connection_is_closing() {
    Conversation::new(TcpProtocol::Mqtt)
        .client(connect(4, CLEAN, &[]))
        .server(packet(0x20, &[0, 5]))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn authentication_is_a_handshake_until_its_success() {
    Conversation::new(TcpProtocol::Mqtt)
        .client(connect(5, CLEAN, &[]))
        .server(packet(0xf0, &[0x18, 0]))
        .client(packet(0xf0, &[0x18, 0]))
        .is_unsafe(UnsafeReason::Handshake)
        .server(packet(0x20, &[0, 0, 0]))
        .is_unsafe(UnsafeReason::Handshake)
        .client(packet(0xf0, &[0x19, 0]))
        .server(packet(0xf0, &[0x18, 0]))
        .is_unsafe(UnsafeReason::Handshake)
        .server(packet(0xf0, &[]))
        .is_safe();
}

#[test]
fn message_with_qos_0_is_safe_after_its_last_byte() {
    let message = publish(0, "orders/new", 0, &[0x30; 500]);
    for split in [1, 3, 9, 200] {
        connected(CLEAN)
            .client(&message[..split])
            .is_unsafe(UnsafeReason::Message)
            .client(&message[split..])
            .is_safe()
            .server(&message[..split])
            .is_unsafe(UnsafeReason::Message)
            .server(&message[split..])
            .is_safe();
    }
}

#[test]
fn message_with_qos_1_is_unsafe_until_puback() {
    connected(CLEAN)
        .client(publish(1, "orders/new", 7, b"1"))
        .client(publish(1, "orders/new", 8, b"2"))
        .is_unsafe(UnsafeReason::Publish)
        .server(with_id(0x40, 8, &[]))
        .is_unsafe(UnsafeReason::Publish)
        .server(with_id(0x40, 7, &[]))
        .is_safe()
        .server(publish(1, "orders/done", 7, b"1"))
        .is_unsafe(UnsafeReason::Delivery)
        .client(with_id(0x40, 7, &[]))
        .is_safe();
}

#[test]
fn message_with_qos_2_is_unsafe_until_pubcomp() {
    connected(CLEAN)
        .client(publish(2, "orders/new", 7, b"1"))
        .server(with_id(0x50, 7, &[]))
        .is_unsafe(UnsafeReason::Publish)
        .client(with_id(0x62, 7, &[]))
        .is_unsafe(UnsafeReason::Publish)
        .server(with_id(0x70, 7, &[]))
        .is_safe()
        .server(publish(2, "orders/done", 1, b"1"))
        .client(with_id(0x50, 1, &[]))
        .server(with_id(0x62, 1, &[]))
        .is_unsafe(UnsafeReason::Delivery)
        .client(with_id(0x70, 1, &[]))
        .is_safe();
}

#[test]
fn rejected_message_with_qos_2_ends_with_pubrec() {
    connected_5(CLEAN, &[], &[])
        .client(publish(2, "orders/new", 7, b"\0"))
        .server(with_id(0x50, 7, &[0x97]))
        .is_safe();
}

#[test]
fn message_of_an_earlier_connection_goes_on_with_pubrel() {
    connected(0)
        .client(with_id(0x62, 7, &[]))
        .is_unsafe(UnsafeReason::Publish)
        .server(with_id(0x70, 7, &[]))
        .is_safe()
        .server(with_id(0x62, 9, &[]))
        .is_unsafe(UnsafeReason::Delivery)
        .client(with_id(0x70, 9, &[]))
        .is_safe();
}

#[test]
fn both_sides_number_their_own_messages() {
    connected(CLEAN)
        .client(publish(1, "a", 1, b""))
        .server(publish(1, "b", 1, b""))
        .client(with_id(0x40, 1, &[]))
        .is_unsafe(UnsafeReason::Publish)
        .server(with_id(0x40, 1, &[]))
        .is_safe();
}

#[test]
fn subscription_is_unsafe_until_suback() {
    connected(0)
        .client(subscribe(1))
        .is_unsafe(UnsafeReason::Response)
        .server(with_id(0x90, 1, &[1]))
        .is_safe()
        .client(with_id(0xa2, 2, &text("orders/#")))
        .is_unsafe(UnsafeReason::Response)
        .server(with_id(0xb0, 2, &[]))
        .is_safe();
}

#[test]
fn ping_is_unsafe_until_pingresp() {
    connected(CLEAN)
        .client(packet(0xc0, &[]))
        .is_unsafe(UnsafeReason::Ping)
        .server(packet(0xd0, &[]))
        .is_safe();
}

#[test]
fn subscription_without_a_persistent_session_pins() {
    let pinned = SessionState::Pinned(PinReason::Subscription);
    let subscribed = |mut conversation: Conversation, expected| {
        conversation
            .client(subscribe(1))
            .server(with_id(0x90, 1, &[1]))
            .is(expected);
    };
    subscribed(connected(CLEAN), pinned);
    subscribed(connected(0), SessionState::Safe);
    let name = [&[0x26][..], &text("a"), &text("b")].concat();
    let others = [&[0x21, 0, 9, 0x17, 1][..], &name, &expiry(60)].concat();
    for (flags, connect, connack, expected) in [
        (0, expiry(60), vec![], SessionState::Safe),
        (0, others.clone(), vec![0x13, 0, 9], SessionState::Safe),
        (0, vec![], vec![], pinned),
        (0, expiry(0), vec![], pinned),
        (CLEAN, expiry(60), vec![], pinned),
        (0, expiry(60), expiry(30), SessionState::Safe),
        (0, others, expiry(0), pinned),
    ] {
        subscribed(connected_5(flags, &connect, &connack), expected);
    }
}

#[test]
fn expiry_after_the_inspected_bytes_counts_as_absent() {
    let long = [
        &[0x26][..],
        &text("a"),
        &text(&"b".repeat(112)),
        &expiry(60),
    ]
    .concat();
    connected_5(0, &long, &[])
        .client(subscribe(1))
        .server(with_id(0x90, 1, &[1]))
        .is_pinned(PinReason::Subscription);
}

#[test]
fn disconnect_of_either_side_is_closing() {
    connected(CLEAN)
        .client(packet(0xe0, &[]))
        .is_unsafe(UnsafeReason::Closing);
    connected_5(CLEAN, &[], &[])
        .server(packet(0xe0, &[0x8b]))
        .is_unsafe(UnsafeReason::Closing);
}

#[test]
fn bytes_that_are_not_the_protocol_are_bypassed() {
    let first = |bytes: &[u8], reason| {
        Conversation::new(TcpProtocol::Mqtt)
            .client(bytes)
            .is_bypassed(reason);
    };
    first(&[0x16, 3, 1], BypassReason::Encrypted);
    first(b"GET / HTTP/1.1\r\n", BypassReason::Malformed);
    first(&publish(0, "a", 0, b""), BypassReason::OutOfStep);
    first(&connect(6, 0, &[]), BypassReason::Unsupported);
    first(
        &packet(0x10, b"\0\x04mqtt\x04\0\0\0"),
        BypassReason::Unsupported,
    );
    for (bytes, reason) in [
        (vec![0x36, 0], BypassReason::Malformed),
        (vec![0x60, 2, 0, 1], BypassReason::Malformed),
        (
            vec![0x30, 0x80, 0x80, 0x80, 0x80, 1],
            BypassReason::Malformed,
        ),
        (packet(0x32, &text("a")), BypassReason::Malformed),
        (packet(0xd0, &[]), BypassReason::Malformed),
        (connect(4, 0, &[]), BypassReason::OutOfStep),
    ] {
        connected(CLEAN).client(bytes).is_bypassed(reason);
    }
}

#[test]
fn more_scattered_messages_than_the_limit_are_bypassed() {
    let messages = |count: u16| -> Vec<u8> {
        (0..count)
            .flat_map(|id| publish(1, "", id * 2, b""))
            .collect()
    };
    connected(CLEAN)
        .client(messages(256))
        .is_unsafe(UnsafeReason::Publish)
        .client(publish(1, "", 9999, b""))
        .is_bypassed(BypassReason::TooManyInFlight);
}
