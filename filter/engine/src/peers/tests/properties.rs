//! Whatever is heard, what stands in a view can be told, read and counted.

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
    let told = view.write_message(&pod(1, 10.0), now, 5);
    assert!(told.len() <= MAX_LEN && told.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(hears(&mut View::default(), &told, now).dropped, 0);
    if let Some(known) = view.estimate(&pod(1, 10.0), RULES, now) {
        assert!((0.0..=40.0).contains(&known.fair), "{known:?}");
        assert!(known.mean.is_finite() && known.mean >= 0.0, "{known:?}");
        assert!((1..=view.len()).contains(&known.peers), "{known:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn rows_of_any_numbers(messages in prop::collection::vec(prop::collection::vec(row(), 0..40), 1..12)) {
        let mut view = View::default();
        let mut now = NOON;
        for (seed, rows) in messages.iter().enumerate() {
            now = now.after(EVERY);
            // A number that no JSON has is refused with its message.
            if let Ok(message) = Message::parse(message(rows).as_bytes()) {
                view.receive(PeerId(1), &message, now, EVERY, seed as u64);
            }
            check(&view, now);
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Message::parse(&bytes).is_err());
        // One byte is a view without reports.
        if let Some(view) = View::from_bytes(&bytes) {
            prop_assert_eq!(view.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_message_that_is_cut_or_spoilt(at in 0..200_usize, byte in any::<u8>()) {
        let told = knowing(&[pod(2, 30.0), pod(3, 40.0)], NOON).write_message(&pod(4, 50.0), NOON, 0);
        let mut spoilt = told.clone().into_bytes();
        if let Some(spoil) = spoilt.get_mut(at) {
            *spoil = byte;
        }
        let mut view = View::default();
        if let Ok(message) = Message::parse(&spoilt) {
            view.receive(PeerId(1), &message, NOON, EVERY, 0);
        }
        check(&view, NOON);
        if at < told.len() {
            prop_assert!(Message::parse(&told.as_bytes()[..at]).is_err());
        }
    }
}
