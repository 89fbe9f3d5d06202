//! How soon pods know of each other.

use super::fleet::Fleet;

/// How many others each pod counts, and whether it takes them for settled, where all agree.
fn agreed(fleet: &Fleet) -> (usize, bool) {
    let known: Vec<_> = fleet
        .estimates()
        .into_iter()
        .map(|known| known.unwrap())
        .map(|known| (known.peers, known.settled))
        .collect();
    assert!(known.iter().all(|one| *one == known[0]), "{known:?}");
    known[0]
}

fn means(fleet: &Fleet) -> Vec<f64> {
    let estimates = fleet.estimates().into_iter();
    estimates.map(|known| known.unwrap().mean).collect()
}

/// So many fleets of each size double, and the worst pod's error three times `every` later is small.
fn scale_out(pods: usize, fleets: u64) {
    for seed in 0..fleets {
        let mut fleet = Fleet::of(pods - pods / 2, 100.0, seed);
        fleet.start(pods / 2, 0.0);
        fleet.pass(3.0);
        let worst = fleet.errors().into_iter().fold(0.0, f64::max);
        assert!(worst <= 0.1, "fleet {seed} of {pods}: {worst}");
    }
}

#[test]
fn two_pods_know_the_mean_after_a_scale_out() {
    scale_out(2, 20);
}

#[test]
fn three_pods_know_the_mean_after_a_scale_out() {
    scale_out(3, 20);
}

#[test]
fn eight_pods_know_the_mean_after_a_scale_out() {
    scale_out(8, 20);
}

#[test]
fn fifty_pods_know_the_mean_after_a_scale_out() {
    scale_out(50, 2);
}

#[test]
fn two_hundred_pods_know_the_mean_after_a_scale_out() {
    scale_out(200, 1);
}

/// Where only answers are believed news spread half as fast.
#[test]
fn where_only_answers_are_believed_pods_know_the_mean_after_a_scale_out() {
    for (pods, times) in [(2, 4.0), (3, 4.0), (8, 4.0), (50, 4.0), (200, 4.0)] {
        let mut fleet = Fleet::new(pods as u64).only_answers();
        fleet.start(pods - pods / 2, 100.0);
        fleet.pass(8.0);
        fleet.start(pods / 2, 0.0);
        fleet.pass(times);
        let worst = fleet.errors().into_iter().fold(0.0, f64::max);
        assert!(worst <= 0.1, "{pods}: {worst}");
    }
}

#[test]
fn pods_that_all_start_at_once_know_each_other_as_soon() {
    for pods in [2, 3, 8, 50] {
        let mut fleet = Fleet::new(pods as u64);
        fleet.start(pods / 2, 0.0);
        fleet.start(pods - pods / 2, 100.0);
        fleet.pass(3.0);
        let worst = fleet.errors().into_iter().fold(0.0, f64::max);
        assert!(worst <= 0.1, "{pods}: {worst}");
    }
}

#[test]
fn pods_that_start_unsettle_the_others_until_they_are_of_age() {
    let mut fleet = Fleet::of(4, 100.0, 1);
    assert_eq!(agreed(&fleet), (3, true));

    fleet.start(4, 0.0);
    fleet.pass(3.0);
    assert_eq!(agreed(&fleet), (7, false));

    fleet.pass(2.5);
    assert_eq!(agreed(&fleet), (7, true));
}

#[test]
fn a_pod_that_vanishes_leaves_the_mean() {
    let mut fleet = Fleet::of(8, 100.0, 2);
    fleet.pods[3].load = 900.0;
    fleet.pass(3.0);
    assert_eq!(means(&fleet), [200.0; 8]);

    fleet.pods[3].runs = false;
    fleet.pods[3].ready = false;
    fleet.pass(5.5);

    assert_eq!(agreed(&fleet), (6, true));
    assert_eq!(means(&fleet), [100.0; 7]);
}

#[test]
fn a_pod_that_starts_does_not_count_before_it_is_among_the_endpoints() {
    let mut fleet = Fleet::of(4, 100.0, 3);
    fleet.start(1, 0.0);
    fleet.pods[4].ready = false;
    fleet.pass(10.0);
    assert_eq!(means(&fleet), [100.0; 4]);

    fleet.pods[4].ready = true;
    fleet.pass(3.0);

    assert_eq!(means(&fleet), [80.0; 5]);
}

#[test]
fn a_pod_that_drains_leaves_the_mean_and_unsettles_the_others_for_a_while() {
    let mut fleet = Fleet::of(4, 100.0, 4);
    fleet.pods[0].ready = false;

    fleet.pass(3.5);
    assert_eq!(agreed(&fleet), (3, true));

    fleet.pass(3.5);
    assert_eq!(agreed(&fleet), (2, false));

    fleet.pass(4.0);
    assert_eq!(agreed(&fleet), (2, true));
}
