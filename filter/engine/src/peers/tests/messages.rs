//! The text of messages.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Reports with the largest numbers that are accepted.
fn largest_reports(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|n| {
        let id = u64::MAX - n;
        format!(
            "[{id},10000000,10000000,1000000000,10000000000000,1000000000,3153600000000,3153600000000,3600000]"
        )
    })
}

/// A full view of them.
fn full() -> View {
    let mut view = View::default();
    let rows: Vec<_> = largest_reports(MAX_PEERS as u64).collect();
    for rows in rows.chunks(MAX_REPORTS) {
        receive(&mut view, &message(rows), NOON);
    }
    assert_eq!(view.len(), MAX_PEERS);
    view
}

#[test]
fn message_begins_with_the_own_report() {
    let view = view_of(&[pod(2, 30.0)], NOON);
    let own = OwnReport {
        load: Load {
            connections: 120.0,
            active: 3.4,
            requests: 55.5,
            bytes: 1e6,
        },
        weight: 1.5,
        since_peer_request: None,
        ..pod(1, 0.0)
    };

    let written = view.write_message(&own, later(0.2504), 0);

    assert_eq!(
        written,
        r#"{"v":1,"peers":[[1,120,3,56,1000000,1500,3600000,-1,0],[2,30,0,0,0,1000,3600000,200,251]]}"#
    );
}

#[test]
fn age_of_a_report_grows_at_each_hop() {
    let first = view_of(&[pod(2, 30.0)], NOON);
    let mut second = View::default();
    receive(
        &mut second,
        &first.write_message(&pod(3, 0.0), later(0.4), 0),
        later(10.0),
    );

    let written = second.write_message(&pod(4, 0.0), later(10.3), 0);

    assert!(
        written.contains("[2,30,0,0,0,1000,3600000,200,700]"),
        "{written}"
    );
    assert!(
        written.contains("[3,0,0,0,0,1000,3600000,200,300]"),
        "{written}"
    );
}

#[test]
fn message_with_the_largest_numbers_fits_in_a_header() {
    let own = OwnReport {
        id: PeerId(12_345_678_901_234_567_890),
        load: Load {
            connections: f64::INFINITY,
            active: f64::MAX,
            requests: 1e300,
            bytes: 1e300,
        },
        weight: f64::INFINITY,
        uptime: Duration::MAX,
        since_peer_request: Some(Duration::MAX),
    };

    let written = full().write_message(&own, NOON, 3);

    assert!(written.len() <= MAX_LEN, "{}", written.len());
    assert!(
        written.bytes().all(|byte| byte.is_ascii_graphic()),
        "{written}"
    );
    let received = receive(&mut View::default(), &written, NOON);
    assert_eq!((received.accepted, received.dropped), (MAX_REPORTS + 1, 0));
}

#[test]
fn numbers_out_of_range_are_limited() {
    let own = OwnReport {
        load: Load {
            connections: f64::NAN,
            active: -1.0,
            requests: f64::NEG_INFINITY,
            bytes: f64::NAN,
        },
        weight: f64::NAN,
        ..pod(1, 0.0)
    };

    let written = View::default().write_message(&own, NOON, 0);

    assert_eq!(written, message(&["[1,0,0,0,0,1,3600000,200,0]"]));
}

#[test]
fn report_that_is_too_old_is_not_sent() {
    let view = view_of(&[pod(2, 30.0)], NOON);
    let written = view.write_message(&pod(1, 0.0), later(3601.0), 0);
    assert_eq!(
        receive(&mut View::default(), &written, NOON),
        ReceivedReports::default()
    );
}

#[test]
fn view_is_stored_and_read() {
    let now = Instant::from_nanos(u64::MAX);
    let view = view_of(&[pod(2, 30.0), pod(u64::MAX, 1e7)], now);
    assert_eq!(View::from_bytes(&view.to_bytes()), Some(view));
    assert_eq!(
        View::from_bytes(&View::default().to_bytes()),
        Some(View::default())
    );
}

#[test]
fn foreign_bytes_are_no_view() {
    let good = view_of(&[pod(2, 30.0), pod(3, 40.0)], NOON).to_bytes();
    let one = good[1..].len() / 2;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut many = full().to_bytes();
    let mut last = many[many.len() - one..].to_vec();
    last[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    many.extend(last);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a message", br#"{"v":1,"peers":[]}"#.to_vec()),
        ("another format", with(0, 2)),
        ("half a report", good[..=one / 2].to_vec()),
        ("too many connections", with(1 + 11, 0xff)),
        ("an unknown source", with(1 + 64, 3)),
        ("one pod twice", [&good[..=one], &good[1..=one]].concat()),
        ("more than a view keeps", many),
    ] {
        assert_eq!(View::from_bytes(&bytes), None, "{what}");
    }
}

#[test]
fn full_view_has_the_documented_size() {
    let a_peer = size_of::<crate::peers::report::Report>();
    assert!(a_peer <= 96, "{a_peer}");
    assert!(a_peer * MAX_PEERS <= 24 << 10);
    let shared = full().to_bytes().len();
    assert!(shared <= (18 << 10) + 1, "{shared}");
}
