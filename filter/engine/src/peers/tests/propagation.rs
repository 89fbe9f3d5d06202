//! How soon reports reach all pods.

use super::fleet::Fleet;

/// The number of peers and whether they are stable, in which the estimates of all pods agree.
fn agreed(fleet: &Fleet) -> (usize, bool) {
    let known: Vec<_> = fleet
        .estimates()
        .into_iter()
        .map(|estimate| estimate.unwrap())
        .map(|estimate| (estimate.peers, estimate.is_stable))
        .collect();
    assert!(known.iter().all(|one| *one == known[0]), "{known:?}");
    known[0]
}

fn means(fleet: &Fleet) -> Vec<f64> {
    let estimates = fleet.estimates().into_iter();
    estimates.map(|estimate| estimate.unwrap().mean).collect()
}

/// Services of this size double, and three intervals later the largest error of a pod is small.
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
fn scale_out_of_two_pods() {
    scale_out(2, 20);
}

#[test]
fn scale_out_of_three_pods() {
    scale_out(3, 20);
}

#[test]
fn scale_out_of_eight_pods() {
    scale_out(8, 20);
}

#[test]
fn scale_out_of_fifty_pods() {
    scale_out(50, 2);
}

#[test]
fn scale_out_of_two_hundred_pods() {
    scale_out(200, 1);
}

/// Reports spread half as fast.
#[test]
fn scale_out_where_only_responses_are_used() {
    for (pods, times) in [(2, 4.0), (3, 4.0), (8, 4.0), (50, 4.0), (200, 4.0)] {
        let mut fleet = Fleet::new(pods as u64).using_only_responses();
        fleet.start(pods - pods / 2, 100.0);
        fleet.pass(8.0);
        fleet.start(pods / 2, 0.0);
        fleet.pass(times);
        let worst = fleet.errors().into_iter().fold(0.0, f64::max);
        assert!(worst <= 0.1, "{pods}: {worst}");
    }
}

#[test]
fn pods_that_start_together_know_each_other() {
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
fn new_pods_pause_the_others_for_the_stabilization_window() {
    let mut fleet = Fleet::of(4, 100.0, 1);
    assert_eq!(agreed(&fleet), (3, true));

    fleet.start(4, 0.0);
    fleet.pass(3.0);
    assert_eq!(agreed(&fleet), (7, false));

    fleet.pass(2.5);
    assert_eq!(agreed(&fleet), (7, true));
}

#[test]
fn pod_that_vanishes_leaves_the_mean() {
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
fn new_pod_counts_once_it_is_an_endpoint() {
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
fn pod_that_terminates_leaves_the_mean_and_pauses_the_others() {
    let mut fleet = Fleet::of(4, 100.0, 4);
    fleet.pods[0].ready = false;

    fleet.pass(3.5);
    assert_eq!(agreed(&fleet), (3, true));

    fleet.pass(3.5);
    assert_eq!(agreed(&fleet), (2, false));

    fleet.pass(4.0);
    assert_eq!(agreed(&fleet), (2, true));
}
