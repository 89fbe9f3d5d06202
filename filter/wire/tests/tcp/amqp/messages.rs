//! Frames of AMQP 0-9-1.

pub(super) const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

pub(super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [
        &[kind][..],
        &channel.to_be_bytes(),
        &size.to_be_bytes(),
        payload,
        &[0xce],
    ]
    .concat()
}

pub(super) fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let ids = [class.to_be_bytes(), method.to_be_bytes()].concat();
    frame(1, channel, &[&ids, arguments].concat())
}

pub(super) fn name(name: &str) -> Vec<u8> {
    [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
}

/// The header and the body of a message, in two frames of the body.
pub(super) fn content(channel: u16, body: &[u8]) -> Vec<u8> {
    let size = u64::try_from(body.len()).unwrap().to_be_bytes();
    let header = frame(
        2,
        channel,
        &[&[0, 60, 0, 0], &size[..], &[0x10, 0, 1]].concat(),
    );
    let (first, second) = body.split_at(body.len() / 2);
    let bodies: Vec<u8> = [first, second]
        .into_iter()
        .filter(|part| !part.is_empty())
        .flat_map(|part| frame(3, channel, part))
        .collect();
    [header, bodies].concat()
}

pub(super) fn publish(channel: u16, body: &[u8]) -> Vec<u8> {
    let arguments = [&[0, 0][..], &name("orders"), &name("new"), &[0]].concat();
    [method(channel, 60, 40, &arguments), content(channel, body)].concat()
}

pub(super) fn deliver(channel: u16, tag: u64, body: &[u8]) -> Vec<u8> {
    let arguments = [
        &name("ctag1")[..],
        &tag.to_be_bytes(),
        &[0],
        &name(""),
        &name("q"),
    ]
    .concat();
    [method(channel, 60, 60, &arguments), content(channel, body)].concat()
}

pub(super) fn ack(channel: u16, tag: u64, multiple: bool) -> Vec<u8> {
    method(
        channel,
        60,
        80,
        &[&tag.to_be_bytes()[..], &[u8::from(multiple)]].concat(),
    )
}

pub(super) fn consume(channel: u16, flags: u8) -> Vec<u8> {
    let arguments = [&[0, 0][..], &name("q"), &name("ctag1"), &[flags], &[0; 4]].concat();
    method(channel, 60, 20, &arguments)
}

pub(super) fn queue_declare(flags: u8) -> Vec<u8> {
    method(
        1,
        50,
        10,
        &[&[0, 0][..], &name("q"), &[flags], &[0; 4]].concat(),
    )
}
