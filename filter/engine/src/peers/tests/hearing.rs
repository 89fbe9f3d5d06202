//! Which reports are taken.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn mean(view: &View, now: Instant) -> Option<f64> {
    let estimate = view.estimate(&pod(1, 0.0), RULES, now);
    estimate.map(|known| known.mean * (known.peers + 1) as f64)
}

#[test]
fn the_later_of_two_reports_stays_whichever_comes_first() {
    let early = message(&["[2,10,0,0,0,1000,60000,100,1000]"]);
    let late = message(&["[2,20,0,0,0,1000,60400,100,600]"]);
    for order in [[&early, &late], [&late, &early]] {
        let mut view = View::default();
        for message in order {
            hears(&mut view, message, NOON);
        }
        assert_eq!((view.len(), mean(&view, NOON)), (1, Some(20.0)));
    }
}

#[test]
fn of_two_reports_in_one_message_about_one_pod_the_later_stays() {
    let mut view = View::default();
    let twice = message(&[
        "[2,20,0,0,0,1000,60400,100,600]",
        "[2,10,0,0,0,1000,60000,100,1000]",
        "[2,20,0,0,0,1000,60400,100,600]",
    ]);

    let heard = hears(&mut view, &twice, NOON);

    assert_eq!((heard.accepted, heard.dropped, view.len()), (1, 0, 1));
    assert_eq!(mean(&view, NOON), Some(20.0));
}

#[test]
fn what_others_say_about_oneself_is_left_out() {
    let mut view = View::default();
    let about_me = message(&["[1,999,0,0,0,1000,60000,100,0]"]);
    assert_eq!(
        hears(&mut view, &about_me, NOON),
        ReceivedReports::default()
    );
    assert!(view.is_empty());
}

/// Two pods tell each other of a third that is gone, and each message's time on the way is in no age.
#[test]
fn a_pod_that_is_gone_is_forgotten_however_often_it_is_told_of() {
    let mut views = [knowing(&[pod(3, 30.0)], NOON), View::default()];
    let mut now = NOON;
    let mut known = 0;
    while now < later(30.0) {
        for (from, to) in [(0, 1), (1, 0)] {
            views[from].forget(now, EVERY);
            let told = views[from].write_message(&pod(10 + from as u64, 0.0), now, 0);
            now = now.after(Duration::from_millis(50));
            let me = PeerId(10 + to as u64);
            let message = Message::parse(told.as_bytes()).unwrap();
            views[to].receive(me, &message, now, EVERY, 0);
        }
        if views.iter().all(|view| view.len() == 2) {
            known = now.since(NOON).as_secs();
        }
    }
    assert!((9..=11).contains(&known), "{known}");
}

#[test]
fn a_report_is_forgotten_after_ten_times_every() {
    let mut view = knowing(&[pod(2, 30.0)], NOON);
    view.forget(later(10.0), EVERY);
    assert_eq!(view.len(), 1);
    view.forget(later(10.1), EVERY);
    assert_eq!(view.len(), 0);
}
