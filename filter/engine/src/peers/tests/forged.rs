//! False reports about another pod, above all with an uptime that would keep out what that pod sends.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const YEARS: u64 = 3_153_600_000_000;
const LOAD: f64 = 100.0;

/// Pod 2, which carries [`LOAD`], has served for an hour at noon.
fn honest(now: Instant) -> OwnReport {
    OwnReport {
        uptime: Duration::from_secs(3600) + now.since(NOON),
        ..pod(2, LOAD)
    }
}

/// Pod 2 sends its own report.
fn sends(view: &mut View, now: Instant) -> ReceivedReports {
    hears(
        view,
        &View::default().write_message(&honest(now), now, 0),
        now,
    )
}

/// An honest pod passes on what pod 2 sent so long ago.
fn passes_on(view: &mut View, ago: Duration, now: Instant) {
    let mut honest_view = View::default();
    sends(&mut honest_view, now.before(ago));
    hears(view, &honest_view.write_message(&pod(3, 0.0), now, 0), now);
}

/// Pod 666 says that pod 2 carries nothing and has served for so many milliseconds.
fn lies(view: &mut View, uptime_ms: u64, now: Instant) {
    let own = "[666,0,0,0,0,1000,3600000,0,0]".to_owned();
    let lie = format!("[2,0,0,0,0,1000,{uptime_ms},0,0]");
    hears(view, &message(&[own, lie]), now);
}

/// What is believed of pod 2.
fn load(view: &View) -> f64 {
    let id = PeerId(2);
    let report = view.reports.iter().find(|report| report.id == id);
    report.unwrap().load().connections
}

#[test]
fn what_a_pod_sends_itself_wins_over_any_uptime_that_another_one_forged() {
    let mut view = View::default();
    lies(&mut view, YEARS, NOON);
    assert_eq!(load(&view), 0.0);

    sends(&mut view, later(0.1));

    assert_eq!(load(&view), LOAD);
}

#[test]
fn an_uptime_that_cannot_be_is_not_believed_of_a_pod_that_has_sent_its_own() {
    let mut view = View::default();
    sends(&mut view, NOON);
    for tenth in 1..300 {
        let now = later(f64::from(tenth) / 10.0);
        lies(&mut view, YEARS, now);
        // Pod 2 is met only once: what another one passes on keeps it known.
        passes_on(&mut view, Duration::from_millis(300), now);
        assert_eq!(load(&view), LOAD, "after {tenth} tenths of a second");
    }
}

#[test]
fn each_report_that_is_passed_on_may_not_add_to_the_uptime() {
    let mut view = View::default();
    sends(&mut view, NOON);
    let mut uptime = 3_600_000;
    let mut believed = 0;
    for second in 3..60 {
        let now = later(f64::from(second));
        // Always as much as the last one allows.
        uptime = uptime.max(3_600_000 + 1000 * second as u64) + 1900;
        let before = view.clone();
        let own = "[666,0,0,0,0,1000,3600000,0,0]".to_owned();
        let lie = format!("[2,0,0,0,0,1000,{uptime},0,0]");
        hears(&mut view, &message(&[own, lie]), now);
        let of_two = |view: &View| {
            view.reports
                .iter()
                .find(|known| known.id == PeerId(2))
                .cloned()
        };
        believed += u32::from(of_two(&view) != of_two(&before));
    }
    assert_eq!(believed, 1);
}

#[test]
fn while_what_a_pod_sent_is_fresh_nothing_else_is_believed_of_it() {
    let mut view = View::default();
    sends(&mut view, NOON);
    lies(&mut view, 3_600_000 + 1900, later(1.9));
    assert_eq!(load(&view), LOAD);

    // Nothing proves who sent a report: an uptime that can be is believed.
    lies(&mut view, 3_600_000 + 2100, later(2.1));
    assert_eq!(load(&view), 0.0);

    sends(&mut view, later(2.2));
    assert_eq!(load(&view), LOAD);
}

#[test]
fn of_a_pod_that_was_never_met_neither_of_two_accounts_lasts() {
    let mut view = View::default();
    lies(&mut view, YEARS, NOON);

    passes_on(&mut view, Duration::from_millis(50), later(0.1));
    assert_eq!(load(&view), LOAD);

    lies(&mut view, YEARS, later(0.2));
    assert_eq!(load(&view), 0.0);
}

#[test]
fn who_poses_as_another_pod_is_believed_until_that_one_sends_again() {
    let mut view = View::default();
    let posing = message(&["[2,0,0,0,0,1000,3153600000000,0,0]"]);
    hears(&mut view, &posing, NOON);
    assert_eq!(load(&view), 0.0);

    sends(&mut view, later(0.1));

    assert_eq!(load(&view), LOAD);
}

#[test]
fn of_two_reports_that_a_pod_sent_the_later_stays_whichever_arrives_first() {
    let (early, late) = (honest(NOON), honest(later(0.5)));
    let mut view = View::default();
    hears(
        &mut view,
        &View::default().write_message(&late, NOON, 0),
        later(0.6),
    );

    let overtaken = OwnReport {
        load: connections(1.0),
        ..early
    };
    let heard = hears(
        &mut view,
        &View::default().write_message(&overtaken, NOON, 0),
        later(0.7),
    );

    assert_eq!((heard.accepted, load(&view)), (0, LOAD));
}

#[test]
fn a_message_has_a_sender_only_if_it_begins_with_a_report_of_now() {
    let sender = |rows: &[&str]| Message::parse(message(rows).as_bytes()).unwrap().sender();
    assert_eq!(sender(&["[2,1,0,0,0,1000,5,-1,0]"]), Some(PeerId(2)));
    assert_eq!(sender(&["[2,1,0,0,0,1000,5,-1,1]"]), None);
    assert_eq!(
        sender(&["[2,1,0,0,0,0,5,-1,0]", "[3,1,0,0,0,1000,5,-1,0]"]),
        None
    );
    assert_eq!(sender(&["null"]), None);
    assert_eq!(sender(&[]), None);
}
