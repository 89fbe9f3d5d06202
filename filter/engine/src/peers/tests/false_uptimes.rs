//! False reports about another pod, above all with an uptime that would keep out the pod's own reports.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const YEARS: u64 = 3_153_600_000_000;
const LOAD: f64 = 100.0;

/// The own report of pod 2: [`LOAD`], and an uptime of one hour at noon.
fn report(now: Instant) -> OwnReport {
    OwnReport {
        uptime: Duration::from_secs(3600) + now.since(NOON),
        ..pod(2, LOAD)
    }
}

/// Pod 2 sends its own report.
fn send_own_report(view: &mut View, now: Instant) -> ReceivedReports {
    receive(
        view,
        &View::default().write_message(&report(now), now, 0),
        now,
    )
}

/// Another pod forwards the report that pod 2 sent `ago`.
fn forward_report(view: &mut View, ago: Duration, now: Instant) {
    let mut other_view = View::default();
    send_own_report(&mut other_view, now.before(ago));
    receive(view, &other_view.write_message(&pod(3, 0.0), now, 0), now);
}

/// Pod 666 reports that pod 2 has no load and this uptime.
fn send_false_report(view: &mut View, uptime_ms: u64, now: Instant) {
    let own = "[666,0,0,0,0,1000,3600000,0,0]".to_owned();
    let false_report = format!("[2,0,0,0,0,1000,{uptime_ms},0,0]");
    receive(view, &message(&[own, false_report]), now);
}

/// The known load of pod 2.
fn load(view: &View) -> f64 {
    let id = PeerId(2);
    let report = view.reports.iter().find(|report| report.id == id);
    report.unwrap().load().connections
}

#[test]
fn own_report_of_a_pod_replaces_a_forged_uptime() {
    let mut view = View::default();
    send_false_report(&mut view, YEARS, NOON);
    assert_eq!(load(&view), 0.0);

    send_own_report(&mut view, later(0.1));

    assert_eq!(load(&view), LOAD);
}

#[test]
fn impossible_uptime_does_not_replace_a_pods_own_report() {
    let mut view = View::default();
    send_own_report(&mut view, NOON);
    for tenth in 1..300 {
        let now = later(f64::from(tenth) / 10.0);
        send_false_report(&mut view, YEARS, now);
        // Pod 2 sends only one report: a forwarded one keeps it known.
        forward_report(&mut view, Duration::from_millis(300), now);
        assert_eq!(load(&view), LOAD, "after {tenth} tenths of a second");
    }
}

#[test]
fn forwarded_reports_cannot_raise_the_uptime_step_by_step() {
    let mut view = View::default();
    send_own_report(&mut view, NOON);
    let mut uptime = 3_600_000;
    let mut accepted = 0;
    for second in 3..60 {
        let now = later(f64::from(second));
        // As much as the last one allows.
        uptime = uptime.max(3_600_000 + 1000 * second as u64) + 1900;
        let before = view.clone();
        let own = "[666,0,0,0,0,1000,3600000,0,0]".to_owned();
        let false_report = format!("[2,0,0,0,0,1000,{uptime},0,0]");
        receive(&mut view, &message(&[own, false_report]), now);
        let of_two = |view: &View| {
            view.reports
                .iter()
                .find(|report| report.id == PeerId(2))
                .cloned()
        };
        accepted += u32::from(of_two(&view) != of_two(&before));
    }
    assert_eq!(accepted, 1);
}

#[test]
fn recent_own_report_is_not_replaced_by_others() {
    let mut view = View::default();
    send_own_report(&mut view, NOON);
    send_false_report(&mut view, 3_600_000 + 1900, later(1.9));
    assert_eq!(load(&view), LOAD);

    // A report has no proof of origin: a plausible uptime is accepted.
    send_false_report(&mut view, 3_600_000 + 2100, later(2.1));
    assert_eq!(load(&view), 0.0);

    send_own_report(&mut view, later(2.2));
    assert_eq!(load(&view), LOAD);
}

#[test]
fn contradicting_reports_about_an_unknown_pod_do_not_last() {
    let mut view = View::default();
    send_false_report(&mut view, YEARS, NOON);

    forward_report(&mut view, Duration::from_millis(50), later(0.1));
    assert_eq!(load(&view), LOAD);

    send_false_report(&mut view, YEARS, later(0.2));
    assert_eq!(load(&view), 0.0);
}

#[test]
fn impersonation_lasts_until_the_pods_next_report() {
    let mut view = View::default();
    let impersonation = message(&["[2,0,0,0,0,1000,3153600000000,0,0]"]);
    receive(&mut view, &impersonation, NOON);
    assert_eq!(load(&view), 0.0);

    send_own_report(&mut view, later(0.1));

    assert_eq!(load(&view), LOAD);
}

#[test]
fn later_own_report_stays_in_any_order_of_arrival() {
    let (early, late) = (report(NOON), report(later(0.5)));
    let mut view = View::default();
    receive(
        &mut view,
        &View::default().write_message(&late, NOON, 0),
        later(0.6),
    );

    let overtaken = OwnReport {
        load: connections(1.0),
        ..early
    };
    let received = receive(
        &mut view,
        &View::default().write_message(&overtaken, NOON, 0),
        later(0.7),
    );

    assert_eq!((received.accepted, load(&view)), (0, LOAD));
}

#[test]
fn sender_is_the_first_report_with_an_age_of_0() {
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
