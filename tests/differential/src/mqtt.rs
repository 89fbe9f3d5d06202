//! A client and a broker of the `mqtt-protocol-core` crate exchange messages through the session, which is
//! compared with the packet identifiers that both have in use.

use std::collections::{BTreeSet, VecDeque};

use crate::send;
use evenkeel_wire::tcp::{PinReason, Session, SessionState, Side, TcpProtocol, UnsafeReason};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Packet, Qos, SessionExpiryInterval, SubEntry, SubOpts, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, SubackReasonCode, SubackReturnCode,
};
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(Side, u8),
    Subscribe,
    Ping,
    /// The next packet of a side is passed on.
    Pass(Side),
}

fn step() -> impl Strategy<Value = Step> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Server)];
    prop_oneof![
        4 => (side(), 0..3_u8).prop_map(|(side, qos)| Step::Publish(side, qos)),
        1 => Just(Step::Subscribe),
        1 => Just(Step::Ping),
        8 => side().prop_map(Step::Pass),
    ]
}

/// What is in flight until a peer reports its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum InFlight {
    Publish(u16),
    Delivery(u16),
    Subscription(u16),
    Ping,
}

struct Peers {
    is_5: bool,
    client: Connection<role::Client>,
    server: Connection<role::Server>,
    to_server: VecDeque<(Vec<u8>, Option<InFlight>)>,
    to_client: VecDeque<(Vec<u8>, Option<InFlight>)>,
    session: Session,
    in_flight: BTreeSet<InFlight>,
    has_subscribed: bool,
    is_persistent: bool,
}

impl Peers {
    fn new(is_5: bool, is_persistent: bool) -> Self {
        let version = if is_5 { Version::V5_0 } else { Version::V3_1_1 };
        let mut peers = Self {
            is_5,
            client: Connection::new(version),
            server: Connection::new(version),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            session: Session::new(TcpProtocol::Mqtt),
            in_flight: BTreeSet::new(),
            has_subscribed: false,
            is_persistent,
        };
        peers.client.set_auto_pub_response(true);
        peers.server.set_auto_pub_response(true);
        peers.server.set_auto_ping_response(true);
        let connect: Packet = if is_5 {
            let expiry = SessionExpiryInterval::new(u32::from(is_persistent) * 60).unwrap();
            v5_0::Connect::builder()
                .client_id("a")
                .unwrap()
                .clean_start(!is_persistent)
                .props(vec![expiry.into()])
                .build()
                .unwrap()
                .into()
        } else {
            let builder = v3_1_1::Connect::builder().client_id("a").unwrap();
            builder
                .clean_session(!is_persistent)
                .build()
                .unwrap()
                .into()
        };
        peers.client_sends(connect, None);
        peers.pass(Side::Client, &[]);
        peers.pass(Side::Server, &[]);
        peers
    }

    fn client_sends(&mut self, packet: Packet, in_flight: Option<InFlight>) {
        let events = self.client.send(packet);
        self.client_handles(events, in_flight);
    }

    fn server_sends(&mut self, packet: Packet, in_flight: Option<InFlight>) {
        let events = self.server.send(packet);
        self.server_handles(events, in_flight);
    }

    fn client_handles(&mut self, events: Vec<Event>, in_flight: Option<InFlight>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.to_server
                        .push_back((packet.to_continuous_buffer(), in_flight));
                }
                Event::NotifyPacketIdReleased(id) => {
                    self.in_flight.remove(&InFlight::Publish(id));
                    self.in_flight.remove(&InFlight::Subscription(id));
                }
                Event::NotifyPacketReceived(
                    Packet::V3_1_1Pingresp(_) | Packet::V5_0Pingresp(_),
                ) => {
                    self.in_flight.remove(&InFlight::Ping);
                }
                Event::NotifyError(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    fn server_handles(&mut self, events: Vec<Event>, in_flight: Option<InFlight>) {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.to_client
                        .push_back((packet.to_continuous_buffer(), in_flight));
                }
                Event::NotifyPacketIdReleased(id) => {
                    self.in_flight.remove(&InFlight::Delivery(id));
                }
                Event::NotifyPacketReceived(packet) => self.server_responds(&packet),
                Event::NotifyError(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    fn server_responds(&mut self, packet: &Packet) {
        let response: Packet = match packet {
            Packet::V3_1_1Connect(_) => v3_1_1::Connack::builder()
                .session_present(false)
                .return_code(ConnectReturnCode::Accepted)
                .build()
                .unwrap()
                .into(),
            Packet::V5_0Connect(_) => v5_0::Connack::builder()
                .session_present(false)
                .reason_code(ConnectReasonCode::Success)
                .build()
                .unwrap()
                .into(),
            Packet::V3_1_1Subscribe(subscribe) => v3_1_1::Suback::builder()
                .packet_id(subscribe.packet_id())
                .return_codes(vec![SubackReturnCode::SuccessMaximumQos1])
                .build()
                .unwrap()
                .into(),
            Packet::V5_0Subscribe(subscribe) => v5_0::Suback::builder()
                .packet_id(subscribe.packet_id())
                .reason_codes(vec![SubackReasonCode::GrantedQos1])
                .build()
                .unwrap()
                .into(),
            _ => return,
        };
        self.server_sends(response, None);
    }

    fn publish(&mut self, side: Side, qos: u8, payload: usize) {
        let id = match (qos, side) {
            (0, _) => None,
            (_, Side::Client) => Some(self.client.acquire_packet_id().unwrap()),
            (_, Side::Server) => Some(self.server.acquire_packet_id().unwrap()),
        };
        let qos = match qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let payload = vec![0x40; payload];
        let packet: Packet = if self.is_5 {
            let builder = v5_0::Publish::builder().topic_name("orders/new").unwrap();
            let builder = builder.qos(qos).payload(payload);
            match id {
                Some(id) => builder.packet_id(id).build().unwrap().into(),
                None => builder.build().unwrap().into(),
            }
        } else {
            let builder = v3_1_1::Publish::builder().topic_name("orders/new").unwrap();
            let builder = builder.qos(qos).payload(payload);
            match id {
                Some(id) => builder.packet_id(id).build().unwrap().into(),
                None => builder.build().unwrap().into(),
            }
        };
        match side {
            Side::Client => self.client_sends(packet, id.map(InFlight::Publish)),
            Side::Server => self.server_sends(packet, id.map(InFlight::Delivery)),
        }
    }

    fn subscribe(&mut self) {
        let id = self.client.acquire_packet_id().unwrap();
        let entry = SubEntry::new("orders/#", SubOpts::new().set_qos(Qos::AtLeastOnce)).unwrap();
        let packet: Packet = if self.is_5 {
            let builder = v5_0::Subscribe::builder().packet_id(id);
            builder.entries(vec![entry]).build().unwrap().into()
        } else {
            let builder = v3_1_1::Subscribe::builder().packet_id(id);
            builder.entries(vec![entry]).build().unwrap().into()
        };
        self.client_sends(packet, Some(InFlight::Subscription(id)));
    }

    fn ping(&mut self) {
        let packet: Packet = if self.is_5 {
            v5_0::Pingreq::builder().build().unwrap().into()
        } else {
            v3_1_1::Pingreq::builder().build().unwrap().into()
        };
        self.client_sends(packet, Some(InFlight::Ping));
    }

    /// Passes the next packet of a side through the session, split at the offsets in `cuts`.
    fn pass(&mut self, side: Side, cuts: &[usize]) {
        let queue = match side {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        };
        let Some((bytes, in_flight)) = queue.pop_front() else {
            return;
        };
        let mut start = 0;
        for cut in cuts
            .iter()
            .map(|cut| cut % bytes.len())
            .filter(|cut| *cut > 0)
        {
            let end = cut.max(start);
            send(&mut self.session, side, &bytes[start..end]);
            start = end;
            assert_eq!(
                self.session.state(),
                SessionState::Unsafe(UnsafeReason::Message)
            );
        }
        send(&mut self.session, side, &bytes[start..]);
        self.in_flight.extend(in_flight);
        self.has_subscribed |= matches!(in_flight, Some(InFlight::Subscription(_)));
        match side {
            Side::Client => {
                let events = self.server.recv(&mut Cursor::new(&bytes[..]));
                self.server_handles(events, None);
            }
            Side::Server => {
                let events = self.client.recv(&mut Cursor::new(&bytes[..]));
                self.client_handles(events, None);
            }
        }
    }

    fn expected(&self) -> SessionState {
        let has = |is: fn(&InFlight) -> bool| self.in_flight.iter().any(is);
        let reason = if has(|what| matches!(what, InFlight::Subscription(_))) {
            UnsafeReason::Response
        } else if has(|what| matches!(what, InFlight::Publish(_))) {
            UnsafeReason::Publish
        } else if has(|what| matches!(what, InFlight::Delivery(_))) {
            UnsafeReason::Delivery
        } else if has(|what| matches!(what, InFlight::Ping)) {
            UnsafeReason::Ping
        } else if self.has_subscribed && !self.is_persistent {
            return SessionState::Pinned(PinReason::Subscription);
        } else {
            return SessionState::Safe;
        };
        SessionState::Unsafe(reason)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn session_agrees_with_the_peers(
        is_5 in any::<bool>(),
        is_persistent in any::<bool>(),
        steps in vec((step(), 0..400_usize, vec(any::<usize>(), 0..3)), 0..60),
    ) {
        let mut peers = Peers::new(is_5, is_persistent);
        prop_assert_eq!(peers.session.state(), SessionState::Safe);
        let rest = [Side::Client, Side::Server].map(|side| (Step::Pass(side), 0, Vec::new()));
        let rest = rest.into_iter().cycle().take(400);
        for (step, payload, cuts) in steps.into_iter().chain(rest) {
            match step {
                Step::Publish(side, qos) => peers.publish(side, qos, payload),
                Step::Subscribe => peers.subscribe(),
                Step::Ping => peers.ping(),
                Step::Pass(side) => peers.pass(side, &cuts),
            }
            prop_assert_eq!(peers.session.state(), peers.expected());
        }
        prop_assert!(peers.in_flight.is_empty());
    }
}
