//! The budget holds for the whole proxy, however many workers it has.

use std::time::Instant;

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;

use crate::support::{counted, healthy, until};

const TEN_A_SECOND: &str = r#"{"version": 1, "budget": {"per_second": 10, "burst": 10},
    "defaults": {"jitter": 0, "max_age": "500ms"}}"#;

#[tokio::test]
async fn four_workers_together_move_no_more_than_the_budget() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .route("/", "app")
        .evenkeel(Roles::Network, TEN_A_SECOND);
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new()
        .concurrency(4)
        .listener(listener)
        .cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let to = envoy.address("in");
    let clients: Vec<_> = (0..200).map(|_| Client::http1(to)).collect();
    let start = Instant::now();
    for client in &clients {
        client.get("/").await.unwrap();
    }
    until(&envoy, "due_total", |due| due >= 200).await;

    let mut users = Tasks::new();
    for client in clients {
        users.spawn(async move {
            loop {
                assert_eq!(client.get("/delay/20").await.unwrap().status, 200);
            }
        });
    }
    // Past the burst, and a second of the rate at least.
    let mut announced = 0;
    while announced < 40 {
        announced = counted(&envoy, "announced_total").await;
        let most = 10.0 + 10.0 * start.elapsed().as_secs_f64() + 1.0;
        assert!(
            announced as f64 <= most,
            "{announced} after {:?}",
            start.elapsed()
        );
    }
    users.stop().await;

    assert!(counted(&envoy, "budget_refused_total").await >= 100);
    healthy(&envoy);
}
