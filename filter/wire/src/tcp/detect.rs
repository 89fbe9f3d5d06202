//! Which protocol a connection speaks, by its port and first bytes.

use super::TcpProtocol;

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// The result of comparing the first bytes of a connection with the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpDetection {
    /// The protocol.
    Matched(TcpProtocol),
    /// More bytes of the same peer are needed, at most [`MAX_DETECTED`] in all.
    NeedMore,
    /// None of the protocols.
    None,
}

/// How many bytes [`detect`] needs at most.
pub const MAX_DETECTED: usize = 16;

/// Detects the protocol of a connection to `port` from the first bytes that `side` sent.
///
/// On the well-known port of a protocol, only that one is considered, and for Redis, an inline command counts, too.
/// On other ports, and without a port, all protocols are considered whose first bytes are unmistakable.
pub fn detect(port: Option<u16>, side: Side, bytes: &[u8]) -> TcpDetection {
    let well_known = port.and_then(TcpProtocol::of_port);
    let candidates = TcpProtocol::ALL
        .into_iter()
        .filter(|protocol| well_known.is_none_or(|only| *protocol == only))
        .filter(|protocol| first_side(*protocol) == side);
    let mut detection = TcpDetection::None;
    for protocol in candidates {
        match compare(protocol, bytes, well_known.is_some()) {
            Comparison::Equal => return TcpDetection::Matched(protocol),
            Comparison::Prefix => detection = TcpDetection::NeedMore,
            Comparison::Different => {}
        }
    }
    detection
}

/// MySQL and NATS are server-first protocols: their clients wait for a greeting.
fn first_side(protocol: TcpProtocol) -> Side {
    match protocol {
        TcpProtocol::MySql | TcpProtocol::Nats => Side::Server,
        TcpProtocol::PostgreSql | TcpProtocol::Redis | TcpProtocol::Mqtt | TcpProtocol::Amqp => {
            Side::Client
        }
    }
}

/// How bytes compare with the beginning of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    /// They are a part of it, as far as they go.
    Prefix,
    Different,
}

impl Comparison {
    /// Compares bytes with a pattern: for each byte, whether it is allowed.
    fn of(bytes: &[u8], pattern: &[fn(u8) -> bool]) -> Self {
        let is_equal = bytes
            .iter()
            .zip(pattern)
            .all(|(byte, is_allowed)| is_allowed(*byte));
        match is_equal {
            false => Self::Different,
            true if bytes.len() < pattern.len() => Self::Prefix,
            true => Self::Equal,
        }
    }

    fn with(bytes: &[u8], beginning: &[u8]) -> Self {
        let is_equal = bytes.iter().zip(beginning).all(|(a, b)| a == b);
        match is_equal {
            false => Self::Different,
            true if bytes.len() < beginning.len() => Self::Prefix,
            true => Self::Equal,
        }
    }
}

fn compare(protocol: TcpProtocol, bytes: &[u8], is_well_known: bool) -> Comparison {
    match protocol {
        TcpProtocol::PostgreSql => compare_postgresql(bytes),
        TcpProtocol::MySql => compare_mysql(bytes),
        TcpProtocol::Redis => compare_redis(bytes, is_well_known),
        TcpProtocol::Nats => Comparison::with(bytes, b"INFO {"),
        TcpProtocol::Mqtt => compare_mqtt(bytes),
        TcpProtocol::Amqp => Comparison::with(bytes, b"AMQP\0\0\x09\x01"),
    }
}

/// A length below 10000, then version 3, or the code of a request for encryption or cancellation.
fn compare_postgresql(bytes: &[u8]) -> Comparison {
    let length = Comparison::of(bytes, &[|a| a == 0, |b| b == 0, |c| c < 0x28, |_| true]);
    if length != Comparison::Equal {
        return length;
    }
    let code = bytes.get(4..).unwrap_or_default();
    // Minor versions go up to 9999, which clients send to find out whether a server negotiates.
    let version: [fn(u8) -> bool; 4] = [|a| a == 0, |b| b == 3, |c| c < 0x28, |_| true];
    // 1234 in the higher half, 5678 to 5680 in the lower.
    let request: [fn(u8) -> bool; 4] = [
        |a| a == 0x04,
        |b| b == 0xd2,
        |c| c == 0x16,
        |d| matches!(d, 0x2e..=0x30),
    ];
    match Comparison::of(code, &version) {
        Comparison::Different => Comparison::of(code, &request),
        comparison => comparison,
    }
}

/// A greeting of less than 256 bytes with sequence 0, version 10, and a name that begins with a digit.
fn compare_mysql(bytes: &[u8]) -> Comparison {
    let greeting: [fn(u8) -> bool; 6] = [
        |a| a > 32,
        |b| b == 0,
        |c| c == 0,
        |sequence| sequence == 0,
        |version| version == 10,
        |name| name.is_ascii_digit(),
    ];
    Comparison::of(bytes, &greeting)
}

/// An array of at most 999999 bulk strings; on the well-known port also a command in a line.
fn compare_redis(bytes: &[u8], is_well_known: bool) -> Comparison {
    let Some((first, rest)) = bytes.split_first() else {
        return Comparison::Prefix;
    };
    if *first != b'*' {
        return match is_well_known {
            true => compare_inline(bytes),
            false => Comparison::Different,
        };
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        0 if rest.is_empty() => Comparison::Prefix,
        1..=6 => Comparison::with(rest.get(digits..).unwrap_or_default(), b"\r\n$"),
        _ => Comparison::Different,
    }
}

/// An inline command, such as a health check written with `nc` sends it.
fn compare_inline(bytes: &[u8]) -> Comparison {
    let word = bytes.get(..4).unwrap_or(bytes).to_ascii_uppercase();
    let commands: [&[u8]; 3] = [b"PING", b"AUTH", b"INFO"];
    let comparisons = commands.map(|command| Comparison::with(&word, command));
    [Comparison::Equal, Comparison::Prefix]
        .into_iter()
        .find(|comparison| comparisons.contains(comparison))
        .unwrap_or(Comparison::Different)
}

/// The packet type, a length, and the name of the protocol.
fn compare_mqtt(bytes: &[u8]) -> Comparison {
    let Some((first, rest)) = bytes.split_first() else {
        return Comparison::Prefix;
    };
    if *first != 0x10 {
        return Comparison::Different;
    }
    let more = rest.iter().take_while(|digit| **digit & 0x80 != 0).count();
    if more > 3 {
        return Comparison::Different;
    }
    let name = rest.get(more.saturating_add(1)..).unwrap_or_default();
    match Comparison::with(name, b"\0\x04MQTT") {
        Comparison::Different => Comparison::with(name, b"\0\x06MQIsdp"),
        comparison => comparison,
    }
}
