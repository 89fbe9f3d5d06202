//! Messages, as they are written.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Pods with the largest numbers that are believed.
fn giants(count: u64) -> impl Iterator<Item = String> {
    (0..count).map(|n| {
        let id = u64::MAX - n;
        format!(
            "[{id},10000000,10000000,1000000000,10000000000000,1000000000,3153600000000,3153600000000,3600000]"
        )
    })
}

/// A view that is full of them.
fn full() -> View {
    let mut view = View::default();
    let rows: Vec<_> = giants(MAX_PEERS as u64).collect();
    for rows in rows.chunks(MAX_REPORTS) {
        hears(&mut view, &message(rows), NOON);
    }
    assert_eq!(view.len(), MAX_PEERS);
    view
}

#[test]
fn a_pod_tells_of_itself_first_and_then_of_the_others_with_their_age() {
    let view = knowing(&[pod(2, 30.0)], NOON);
    let own = OwnReport {
        load: Load {
            connections: 120.0,
            active: 3.4,
            requests: 55.5,
            bytes: 1e6,
        },
        weight: 1.5,
        asked: None,
        ..pod(1, 0.0)
    };

    let told = view.write_message(&own, later(0.2504), 0);

    assert_eq!(
        told,
        r#"{"v":1,"peers":[[1,120,3,56,1000000,1500,3600000,-1,0],[2,30,0,0,0,1000,3600000,200,251]]}"#
    );
}

#[test]
fn each_hop_adds_the_time_for_which_it_held_a_report() {
    let first = knowing(&[pod(2, 30.0)], NOON);
    let mut second = View::default();
    hears(
        &mut second,
        &first.write_message(&pod(3, 0.0), later(0.4), 0),
        later(10.0),
    );

    let told = second.write_message(&pod(4, 0.0), later(10.3), 0);

    assert!(told.contains("[2,30,0,0,0,1000,3600000,200,700]"), "{told}");
    assert!(told.contains("[3,0,0,0,0,1000,3600000,200,300]"), "{told}");
}

#[test]
fn the_largest_numbers_fit_in_a_message_that_can_travel_in_a_header() {
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
        asked: Some(Duration::MAX),
    };

    let told = full().write_message(&own, NOON, 3);

    assert!(told.len() <= MAX_LEN, "{}", told.len());
    assert!(told.bytes().all(|byte| byte.is_ascii_graphic()), "{told}");
    let heard = hears(&mut View::default(), &told, NOON);
    assert_eq!((heard.accepted, heard.dropped), (MAX_REPORTS + 1, 0));
}

#[test]
fn numbers_that_are_none_are_told_as_nothing() {
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

    let told = View::default().write_message(&own, NOON, 0);

    assert_eq!(told, message(&["[1,0,0,0,0,1,3600000,200,0]"]));
}

#[test]
fn what_nobody_would_believe_any_more_is_not_told() {
    let view = knowing(&[pod(2, 30.0)], NOON);
    let told = view.write_message(&pod(1, 0.0), later(3601.0), 0);
    assert_eq!(
        hears(&mut View::default(), &told, NOON),
        ReceivedReports::default()
    );
}

#[test]
fn workers_read_what_another_one_wrote() {
    let now = Instant::from_nanos(u64::MAX);
    let view = knowing(&[pod(2, 30.0), pod(u64::MAX, 1e7)], now);
    assert_eq!(View::from_bytes(&view.to_bytes()), Some(view));
    assert_eq!(
        View::from_bytes(&View::default().to_bytes()),
        Some(View::default())
    );
}

#[test]
fn what_is_no_view_is_not_read() {
    let good = knowing(&[pod(2, 30.0), pod(3, 40.0)], NOON).to_bytes();
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
        (
            "what an earlier module wrote",
            br#"{"v":1,"peers":[]}"#.to_vec(),
        ),
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
fn a_full_view_takes_a_stated_number_of_bytes() {
    let a_peer = size_of::<crate::peers::report::Report>();
    assert!(a_peer <= 96, "{a_peer}");
    assert!(a_peer * MAX_PEERS <= 24 << 10);
    let shared = full().to_bytes().len();
    assert!(shared <= (18 << 10) + 1, "{shared}");
}
