//! Whatever is received, a view can be written, read and used for an estimate.

use proptest::prelude::*;

use super::*;

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..100_000_u64).prop_map(|n| n.to_string()),
        1 => any::<u64>().prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => Just("-1".to_owned()),
        1 => any::<f64>().prop_map(|n| format!("{n}")),
        1 => Just("null".to_owned()),
    ]
}

fn row() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => prop::collection::vec(0..50_000_u64, 9),
        1 => prop::collection::vec(0..9_u64, 0..12),
    ]
    .prop_flat_map(|plain| {
        (
            Just(plain),
            prop::option::weighted(0.3, (0..9_usize, number())),
        )
    })
    .prop_map(|(plain, odd)| {
        let mut fields: Vec<_> = plain.iter().map(u64::to_string).collect();
        if let Some((at, number)) = odd
            && let Some(field) = fields.get_mut(at)
        {
            *field = number;
        }
        format!("[{}]", fields.join(","))
    })
}

fn check(view: &View, now: Instant) {
    assert!(view.len() <= MAX_PEERS);
    assert_eq!(View::from_bytes(&view.to_bytes()).as_ref(), Some(view));
    let written = view.write_message(&pod(1, 10.0), now, 5);
    assert!(written.len() <= MAX_LEN && written.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(receive(&mut View::default(), &written, now).dropped, 0);
    if let Some(estimate) = view.estimate(&pod(1, 10.0), RULES, now) {
        assert!((0.0..=40.0).contains(&estimate.fair), "{estimate:?}");
        assert!(
            estimate.mean.is_finite() && estimate.mean >= 0.0,
            "{estimate:?}"
        );
        assert!((1..=view.len()).contains(&estimate.peers), "{estimate:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_rows_leave_a_valid_view(messages in prop::collection::vec(prop::collection::vec(row(), 0..40), 1..12)) {
        let mut view = View::default();
        let mut now = NOON;
        for (seed, rows) in messages.iter().enumerate() {
            now = now.after(INTERVAL);
            // A number that JSON does not have is rejected with its message.
            if let Ok(message) = Message::parse(message(rows).as_bytes()) {
                view.receive(PeerId(1), &message, now, INTERVAL, seed as u64);
            }
            check(&view, now);
        }
    }

    #[test]
    fn any_bytes_are_a_valid_view_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Message::parse(&bytes).is_err());
        // One byte is a view without reports.
        if let Some(view) = View::from_bytes(&bytes) {
            prop_assert_eq!(view.to_bytes(), bytes);
        }
    }

    #[test]
    fn damaged_message_leaves_a_valid_view(at in 0..200_usize, byte in any::<u8>()) {
        let written = view_of(&[pod(2, 30.0), pod(3, 40.0)], NOON).write_message(&pod(4, 50.0), NOON, 0);
        let mut damaged = written.clone().into_bytes();
        if let Some(damaged_byte) = damaged.get_mut(at) {
            *damaged_byte = byte;
        }
        let mut view = View::default();
        if let Ok(message) = Message::parse(&damaged) {
            view.receive(PeerId(1), &message, NOON, INTERVAL, 0);
        }
        check(&view, NOON);
        if at < written.len() {
            prop_assert!(Message::parse(&written.as_bytes()[..at]).is_err());
        }
    }
}
