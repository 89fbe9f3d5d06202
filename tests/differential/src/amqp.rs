//! Messages, acknowledgements and confirms on two channels, split anywhere: the session is compared with a record of
//! every frame that the `amq-protocol` crate parses from the same bytes.

use std::collections::BTreeSet;

use crate::send;
use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::basic::{self, AMQPMethod as Basic, AMQPProperties};
use amq_protocol::protocol::{AMQPClass, channel, confirm, connection};
use amq_protocol::types::FieldTable;
use evenkeel_wire::tcp::{Session, SessionState, Side, TcpProtocol, UnsafeReason};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Publish {
        size: usize,
    },
    Confirm {
        nth: usize,
        multiple: bool,
        is_nack: bool,
    },
    Deliver {
        size: usize,
    },
    Acknowledge {
        nth: usize,
        multiple: bool,
        acknowledgement_type: u8,
    },
    Qos,
    QosOk,
    Heartbeat,
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = || prop_oneof![Just(0_usize), 1..20_usize, 200..900_usize];
    prop_oneof![
        3 => size().prop_map(|size| Operation::Publish { size }),
        3 => (0..9_usize, any::<bool>(), any::<bool>())
            .prop_map(|(nth, multiple, is_nack)| Operation::Confirm { nth, multiple, is_nack }),
        3 => size().prop_map(|size| Operation::Deliver { size }),
        3 => (0..9_usize, any::<bool>(), 0..3_u8)
            .prop_map(|(nth, multiple, acknowledgement_type)| Operation::Acknowledge { nth, multiple, acknowledgement_type }),
        1 => Just(Operation::Qos),
        1 => Just(Operation::QosOk),
        1 => Just(Operation::Heartbeat),
    ]
}

fn encode(frames: &[AMQPFrame]) -> Vec<u8> {
    let write = |frame| {
        gen_frame(frame)(WriteContext::from(Vec::new()))
            .unwrap()
            .into_inner()
            .0
    };
    frames.iter().flat_map(write).collect()
}

fn method(channel: u16, method: Basic) -> AMQPFrame {
    AMQPFrame::Method(channel, AMQPClass::Basic(method))
}

fn content(channel: u16, method: AMQPFrame, size: usize) -> Vec<AMQPFrame> {
    let header = AMQPContentHeader {
        class_id: 60,
        body_size: size as u64,
        properties: AMQPProperties::default().with_delivery_mode(2),
    };
    let body = vec![0xce; size];
    let bodies = body
        .chunks(300)
        .map(|part| AMQPFrame::Body(channel, part.to_vec()));
    [method, AMQPFrame::Header(channel, header)]
        .into_iter()
        .chain(bodies)
        .collect()
}

/// A channel as the reference implementation's frames show it.
#[derive(Default)]
struct Channel {
    requests: u32,
    published: u64,
    delivered: u64,
    unconfirmed: BTreeSet<u64>,
    unacknowledged: BTreeSet<u64>,
    /// Of each side: a header is to come, and how many bytes of the body.
    header: [bool; 2],
    body: [u64; 2],
}

#[derive(Default)]
struct Reference {
    unread: [Vec<u8>; 2],
    channels: [Channel; 2],
}

fn acknowledge(numbers: &mut BTreeSet<u64>, tag: u64, multiple: bool) {
    numbers.retain(|number| {
        if multiple {
            *number > tag
        } else {
            *number != tag
        }
    });
}

impl Reference {
    fn read(&mut self, side: Side, bytes: &[u8]) {
        let index = usize::from(side == Side::Server);
        self.unread[index].extend(bytes);
        loop {
            let unread = self.unread[index].clone();
            let Ok((rest, frame)) = parse_frame(&unread[..]) else {
                return;
            };
            self.unread[index] = rest.to_vec();
            self.apply(side, frame);
        }
    }

    fn apply(&mut self, side: Side, frame: AMQPFrame) {
        let index = usize::from(side == Side::Server);
        let (id, class) = match frame {
            AMQPFrame::Header(id, header) => {
                let channel = &mut self.channels[usize::from(id) - 1];
                channel.header[index] = false;
                channel.body[index] = header.body_size;
                return;
            }
            AMQPFrame::Body(id, body) => {
                self.channels[usize::from(id) - 1].body[index] -= body.len() as u64;
                return;
            }
            AMQPFrame::Method(id @ 1.., AMQPClass::Basic(method)) => (id, method),
            _ => return,
        };
        let channel = &mut self.channels[usize::from(id) - 1];
        match (side, class) {
            (Side::Client, Basic::Publish(_)) => {
                channel.published += 1;
                channel.unconfirmed.insert(channel.published);
                channel.header[index] = true;
            }
            (Side::Server, Basic::Deliver(deliver)) => {
                channel.unacknowledged.insert(deliver.delivery_tag);
                channel.header[index] = true;
            }
            (Side::Client, Basic::Ack(ack)) => {
                acknowledge(&mut channel.unacknowledged, ack.delivery_tag, ack.multiple);
            }
            (Side::Client, Basic::Nack(nack)) => {
                acknowledge(
                    &mut channel.unacknowledged,
                    nack.delivery_tag,
                    nack.multiple,
                );
            }
            (Side::Client, Basic::Reject(reject)) => {
                acknowledge(&mut channel.unacknowledged, reject.delivery_tag, false);
            }
            (Side::Server, Basic::Ack(ack)) => {
                acknowledge(&mut channel.unconfirmed, ack.delivery_tag, ack.multiple);
            }
            (Side::Server, Basic::Nack(nack)) => {
                acknowledge(&mut channel.unconfirmed, nack.delivery_tag, nack.multiple);
            }
            (Side::Client, Basic::Qos(_)) => channel.requests += 1,
            (Side::Server, Basic::QosOk(_)) => channel.requests -= 1,
            _ => {}
        }
    }

    fn state(&self) -> SessionState {
        let any = |is: fn(&Channel) -> bool| self.channels.iter().any(is);
        let is_open = |channel: &Channel| channel.header != [false; 2] || channel.body != [0; 2];
        let reason = if self.unread.iter().any(|unread| !unread.is_empty()) || any(is_open) {
            UnsafeReason::Message
        } else if any(|channel| channel.requests > 0) {
            UnsafeReason::Response
        } else if any(|channel| !channel.unconfirmed.is_empty()) {
            UnsafeReason::Publish
        } else if any(|channel| !channel.unacknowledged.is_empty()) {
            UnsafeReason::Delivery
        } else {
            return SessionState::SafeWhenIdle;
        };
        SessionState::Unsafe(reason)
    }

    /// The frames of an operation that fits, and who sends them.
    fn frames(&mut self, id: u16, operation: Operation) -> Option<(Side, Vec<AMQPFrame>)> {
        let channel = &mut self.channels[usize::from(id) - 1];
        let nth = |numbers: &BTreeSet<u64>, nth: usize| {
            numbers.iter().nth(nth % numbers.len().max(1)).copied()
        };
        Some(match operation {
            Operation::Publish { size } => {
                let publish = Basic::Publish(basic::Publish {
                    exchange: "orders".into(),
                    routing_key: "new".into(),
                    ..basic::Publish::default()
                });
                (Side::Client, content(id, method(id, publish), size))
            }
            Operation::Confirm {
                nth: index,
                multiple,
                is_nack,
            } => {
                let delivery_tag = nth(&channel.unconfirmed, index)?;
                let confirm = match is_nack {
                    true => Basic::Nack(basic::Nack {
                        delivery_tag,
                        multiple,
                        requeue: false,
                    }),
                    false => Basic::Ack(basic::Ack {
                        delivery_tag,
                        multiple,
                    }),
                };
                (Side::Server, vec![method(id, confirm)])
            }
            Operation::Deliver { size } => {
                channel.delivered += 1;
                let deliver = Basic::Deliver(basic::Deliver {
                    consumer_tag: "ctag".into(),
                    delivery_tag: channel.delivered,
                    exchange: "orders".into(),
                    ..basic::Deliver::default()
                });
                (Side::Server, content(id, method(id, deliver), size))
            }
            Operation::Acknowledge {
                nth: index,
                multiple,
                acknowledgement_type,
            } => {
                let delivery_tag = nth(&channel.unacknowledged, index)?;
                let acknowledgement = match acknowledgement_type {
                    0 => Basic::Ack(basic::Ack {
                        delivery_tag,
                        multiple,
                    }),
                    1 => Basic::Nack(basic::Nack {
                        delivery_tag,
                        multiple,
                        requeue: true,
                    }),
                    _ => Basic::Reject(basic::Reject {
                        delivery_tag,
                        requeue: true,
                    }),
                };
                (Side::Client, vec![method(id, acknowledgement)])
            }
            Operation::Qos => (
                Side::Client,
                vec![method(id, Basic::Qos(basic::Qos::default()))],
            ),
            Operation::QosOk if channel.requests > 0 => (
                Side::Server,
                vec![method(id, Basic::QosOk(basic::QosOk {}))],
            ),
            Operation::QosOk => return None,
            Operation::Heartbeat => (Side::Client, vec![AMQPFrame::Heartbeat]),
        })
    }
}

fn open(session: &mut Session) {
    send(session, Side::Client, b"AMQP\0\0\x09\x01");
    let open_ok = connection::AMQPMethod::OpenOk(connection::OpenOk {});
    let open_ok = encode(&[AMQPFrame::Method(0, AMQPClass::Connection(open_ok))]);
    send(session, Side::Server, &open_ok);
    for id in [1, 2] {
        let open = channel::AMQPMethod::Open(channel::Open {});
        let select = confirm::AMQPMethod::Select(confirm::Select { nowait: false });
        let consume = basic::Consume {
            queue: "orders".into(),
            arguments: FieldTable::default(),
            ..basic::Consume::default()
        };
        let client = encode(&[
            AMQPFrame::Method(id, AMQPClass::Channel(open)),
            AMQPFrame::Method(id, AMQPClass::Confirm(select)),
            method(id, Basic::Consume(consume)),
        ]);
        send(session, Side::Client, &client);
        let open_ok = channel::AMQPMethod::OpenOk(channel::OpenOk {});
        let select_ok = confirm::AMQPMethod::SelectOk(confirm::SelectOk {});
        let consume_ok = Basic::ConsumeOk(basic::ConsumeOk {
            consumer_tag: "ctag".into(),
        });
        let server = encode(&[
            AMQPFrame::Method(id, AMQPClass::Channel(open_ok)),
            AMQPFrame::Method(id, AMQPClass::Confirm(select_ok)),
            method(id, consume_ok),
        ]);
        send(session, Side::Server, &server);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn session_agrees_with_the_reference(
        operations in vec((1..=2_u16, operation()), 1..40),
        cuts in vec(prop_oneof![1..8_usize, 1..900_usize], 1..20),
    ) {
        let mut cuts = cuts.into_iter().cycle();
        let mut session = Session::new(TcpProtocol::Amqp);
        open(&mut session);
        let mut reference = Reference::default();
        prop_assert_eq!(session.state(), SessionState::SafeWhenIdle);
        for (id, operation) in operations {
            let Some((side, frames)) = reference.frames(id, operation) else {
                continue;
            };
            for piece in encode(&frames).chunks(cuts.next().unwrap()) {
                send(&mut session, side, piece);
                reference.read(side, piece);
                prop_assert_eq!(session.state(), reference.state());
            }
        }
    }
}
