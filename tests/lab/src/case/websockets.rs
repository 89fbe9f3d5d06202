//! WebSockets, scaled out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{interval, sleep};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use super::{About, Lab, balance, rebalance};
use crate::client_group::Caller;
use crate::history::BALANCED;
use crate::outcome::{Outcome, SideOutcome};
use crate::pod::{App, Side};
use crate::site::ClientLocation;

pub const ABOUT: About = About {
    title: "WebSockets: only the excess is drained",
    problem: "200 WebSockets to a Service with 2 pods, on which clients send a message about every 3 seconds and the server a PING \
              every half second. Then there are 4 pods. A WebSocket lives for hours, and the new pods get none of them.",
    reading: "With `rebalance` and `websocket.close_code`, the initial pods drain their excess with a Close frame (1012), when the \
              client is silent, and the clients reconnect. The others keep their WebSocket. A message that a client sends while the Close frame is on its \
              way has no echo, nor has one whose echo takes longer than `idle_time`, 200 ms, as on a busy machine: WebSocket has no \
              acknowledgment, so the client has to send it again.",
};

const SOCKETS: usize = 200;

pub async fn run(lab: &Lab) -> Result<Outcome> {
    let mut policy = rebalance(0.8);
    policy["defaults"] =
        json!({ "websocket": { "close_code": "service_restart", "idle_time": "200ms" } });
    let sides = vec![Side::before(), Side::after(policy)];
    let mut site = lab.site(App::Http, sides, 2, 4).await?;
    let counts: [Arc<Counts>; 2] = Default::default();
    let of_side = counts.clone();
    let before = site.service(0).cluster_address();
    site.call(ClientLocation::Cluster, SOCKETS, move |caller| {
        let side = usize::from(caller.service != before);
        chat(caller, Arc::clone(&of_side[side]))
    });
    site.run_for(Duration::from_secs(5)).await;
    let changed = site.change(2, 0).await?;
    site.run_until_balanced(1, Duration::from_secs(45)).await?;
    let histories = site.finish().await?;

    let mut outcome = Outcome::new(histories.iter().zip(&counts).map(|(history, counts)| {
        let side = SideOutcome::connections(history, 2, &[(changed, "2 added")]);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        balance(side, history, changed)
            .number("messages echoed", count(&counts.messages))
            .number("reconnects after a Close frame", count(&counts.reconnects))
            .number(
                "messages that crossed a Close frame, without an echo",
                count(&counts.crossed),
            )
    }));
    outcome.check(
        "before, the new pods have no WebSocket",
        histories[0].max_over_mean() >= 1.9,
    );
    outcome.check(
        "after, WebSockets are balanced",
        histories[1].max_over_mean() <= BALANCED,
    );
    // 100 are above the mean, and half of those that reconnect come back to a pod that is: 200 drains on average, with a
    // standard deviation of 14. Pods whose samples are late on a busy machine drain more.
    let drains = histories[1].drains_since(0.0);
    outcome.check(
        format!("the excess of 100 takes at most 300 drains ({drains})"),
        drains <= 300,
    );
    outcome.no_failures(&histories);
    Ok(outcome)
}

/// What the clients of a side count.
#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    reconnects: AtomicU64,
    /// Sent, and without an echo when the Close frame came. No limit: the load of the machine decides how late echoes are.
    crossed: AtomicU64,
}

/// Opens a WebSocket, and another one after each Close frame.
async fn chat(caller: Caller, counts: Arc<Counts>) {
    let mut chance = fastrand::Rng::with_seed(caller.seed);
    // Not all at once.
    sleep(Duration::from_secs(1).mul_f64(chance.f64())).await;
    while caller.is_running() {
        let pause = Duration::from_secs(3).mul_f64(0.5 + chance.f64());
        match session(&caller, pause, &counts).await {
            Ok(()) if caller.is_running() => {
                counts.reconnects.fetch_add(1, Ordering::Relaxed);
            }
            Ok(()) => {}
            Err(error) => caller.tally.count(Err(error)),
        }
    }
}

/// Sends a message every `pause` until the server sends a Close frame, or the case ends.
async fn session(caller: &Caller, pause: Duration, counts: &Counts) -> Result<()> {
    let stream = TcpStream::connect(caller.service).await?;
    let url = format!("ws://{}/ws/500", caller.service);
    let (mut socket, _) = client_async(url, stream).await?;
    let mut pauses = interval(pause);
    let mut stopped = caller.stopped.clone();
    let mut waiting = 0;
    loop {
        tokio::select! {
            _ = pauses.tick() => {
                socket.send(Message::text("1:ping")).await?;
                waiting += 1;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(_))) => {
                    waiting -= 1;
                    counts.messages.fetch_add(1, Ordering::Relaxed);
                }
                Some(Ok(Message::Close(_))) => {
                    counts.crossed.fetch_add(waiting, Ordering::Relaxed);
                    // Completes the closing handshake.
                    while socket.next().await.is_some() {}
                    return Ok(());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("closed without a Close frame"),
            },
            _ = stopped.changed() => return Ok(()),
        }
    }
}
