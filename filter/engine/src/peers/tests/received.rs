//! Which of the received reports are kept.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn mean(view: &View, now: Instant) -> Option<f64> {
    let estimate = view.estimate(&pod(1, 0.0), RULES, now);
    estimate.map(|estimate| estimate.mean * (estimate.peers + 1) as f64)
}

#[test]
fn later_report_stays_in_any_order_of_arrival() {
    let early = message(&["[2,10,0,0,0,1000,60000,100,1000]"]);
    let late = message(&["[2,20,0,0,0,1000,60400,100,600]"]);
    for order in [[&early, &late], [&late, &early]] {
        let mut view = View::default();
        for message in order {
            receive(&mut view, message, NOON);
        }
        assert_eq!((view.len(), mean(&view, NOON)), (1, Some(20.0)));
    }
}

#[test]
fn later_of_two_reports_in_one_message_stays() {
    let mut view = View::default();
    let twice = message(&[
        "[2,20,0,0,0,1000,60400,100,600]",
        "[2,10,0,0,0,1000,60000,100,1000]",
        "[2,20,0,0,0,1000,60400,100,600]",
    ]);

    let received = receive(&mut view, &twice, NOON);

    assert_eq!((received.accepted, received.dropped, view.len()), (1, 0, 1));
    assert_eq!(mean(&view, NOON), Some(20.0));
}

#[test]
fn reports_about_the_own_pod_are_ignored() {
    let mut view = View::default();
    let about_me = message(&["[1,999,0,0,0,1000,60000,100,0]"]);
    assert_eq!(
        receive(&mut view, &about_me, NOON),
        ReceivedReports::default()
    );
    assert!(view.is_empty());
}

/// Two pods send each other the report of a third that is gone. No age includes the time on the network.
#[test]
fn pod_that_is_gone_is_forgotten_although_its_report_circulates() {
    let mut views = [view_of(&[pod(3, 30.0)], NOON), View::default()];
    let mut now = NOON;
    let mut known = 0;
    while now < later(30.0) {
        for (from, to) in [(0, 1), (1, 0)] {
            views[from].forget(now, INTERVAL);
            let written = views[from].write_message(&pod(10 + from as u64, 0.0), now, 0);
            now = now.after(Duration::from_millis(50));
            let me = PeerId(10 + to as u64);
            let message = Message::parse(written.as_bytes()).unwrap();
            views[to].receive(me, &message, now, INTERVAL, 0);
        }
        if views.iter().all(|view| view.len() == 2) {
            known = now.since(NOON).as_secs();
        }
    }
    assert!((9..=11).contains(&known), "{known}");
}

#[test]
fn report_is_forgotten_after_ten_intervals() {
    let mut view = view_of(&[pod(2, 30.0)], NOON);
    view.forget(later(10.0), INTERVAL);
    assert_eq!(view.len(), 1);
    view.forget(later(10.1), INTERVAL);
    assert_eq!(view.len(), 0);
}
