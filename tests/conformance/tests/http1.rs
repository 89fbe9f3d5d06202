//! HTTP/1: what a client and a backend receive is the same with the module.

use std::collections::BTreeSet;

use evenkeel_test_conformance::exchange::{Client, exchange};
use evenkeel_test_conformance::requests::{self, Id};
use evenkeel_test_conformance::{End, Exchange, Listener, Request, Response, Site};

/// Requests that Envoy accepts although RFC 9112 forbids them. The module bypasses connections whose framing is ambiguous, so
/// they are not drained.
const LEFT_ALONE: [&str; 11] = [
    "a bare CR in a value",
    "a bare CR in the target",
    "a bare LF behind a value",
    "a coding on a folded line",
    "a folded line",
    "a space behind the version",
    "a tab instead of a space",
    "bare LFs",
    "more than the size",
    "two spaces",
    "white space behind a size",
];

/// A request of the table, complete or in two parts.
struct Sending {
    request: Request,
    cut: Option<usize>,
    id: Id,
}

#[tokio::test]
async fn exchanges_are_the_same_with_and_without_the_module() {
    let site = Site::start().await.unwrap();
    let sendings = sendings();

    let bare = through(&site, Listener::Bare, &sendings, None).await;
    let (watched, moved) = tokio::join!(
        through(&site, Listener::Watched, &sendings, None),
        through(&site, Listener::Moved, &sendings, Some(&bare))
    );

    is_worth_its_while(&bare);
    agree(&sendings, &bare, &watched);
    let untold = untold(&sendings, &bare, &moved);
    assert_eq!(untold, BTreeSet::from(LEFT_ALONE));
    agree(&sendings, &bare, &without_announcements(&bare, moved));
}

/// Returns every request of the table, complete and split at each unusual place.
fn sendings() -> Vec<Sending> {
    let ways = |request: Request| {
        let cuts = request.cuts(Id(0)).into_iter().map(Some);
        let cuts: Vec<_> = [None].into_iter().chain(cuts).collect();
        cuts.into_iter().map(move |cut| (request.clone(), cut))
    };
    let all = requests::all().into_iter().flat_map(ways);
    (0..)
        .map(Id)
        .zip(all)
        .map(|(id, (request, cut))| Sending { request, cut, id })
        .collect()
}

/// Runs all exchanges one after another: the bytes that the listener has read show when a first part has arrived. The client
/// stops where that of `others` did, if there are any.
async fn through(
    site: &Site,
    listener: Listener,
    sendings: &[Sending],
    others: Option<&[Exchange]>,
) -> Vec<Exchange> {
    let mut came = Vec::new();
    for (place, Sending { request, cut, id }) in sendings.iter().enumerate() {
        let client = match others {
            None => Client::Obedient,
            Some(others) => Client::Following(&others[place].responses),
        };
        match exchange(site, listener, client, request, *cut, *id).await {
            Ok(responses) => came.push(responses),
            Err(error) => panic!("{} ({cut:?}) to {listener:?}: {error:#}", request.name),
        }
    }
    site.settled(listener).await.unwrap();
    let recorder = site.recorder(listener);
    assert_eq!(recorder.strays(), [""; 0]);
    sendings
        .iter()
        .zip(came)
        .map(|(sending, (responses, end))| Exchange {
            responses,
            end,
            received: recorder.received(sending.id),
        })
        .collect()
}

/// Returns the requests on connections that served another one and were not drained.
fn untold(sendings: &[Sending], bare: &[Exchange], moved: &[Exchange]) -> BTreeSet<&'static str> {
    let is_told = |exchange: &Exchange| match &exchange.end {
        End::Kept(another) => exchange
            .responses
            .iter()
            .chain([another])
            .any(Response::closes),
        _ => true,
    };
    let names = sendings.iter().map(|sending| sending.request.name);
    names
        .zip(bare.iter().zip(moved))
        .filter(|(_, (bare, moved))| matches!(bare.end, End::Kept(_)) && !is_told(moved))
        .map(|(name, _)| name)
        .collect()
}

/// The outcomes are the same, except for `connection: close` where `bare` has none.
fn without_announcements(bare: &[Exchange], moved: Vec<Exchange>) -> Vec<Exchange> {
    let as_in = |bare: &Response, moved: Response| match bare.closes() {
        true => moved,
        false => moved.without_announcement(),
    };
    let all = bare.iter().zip(moved);
    all.map(|(bare, mut moved)| {
        moved.responses = bare
            .responses
            .iter()
            .zip(moved.responses)
            .map(|(bare, moved)| as_in(bare, moved))
            .collect();
        moved.end = match (&bare.end, moved.end) {
            (End::Kept(bare), End::Kept(moved)) => End::Kept(as_in(bare, moved)),
            (_, end) => end,
        };
        moved
    })
    .collect()
}

fn agree(sendings: &[Sending], expected: &[Exchange], came: &[Exchange]) {
    let differences: Vec<_> = sendings
        .iter()
        .zip(expected.iter().zip(came))
        .filter(|(_, (expected, came))| expected != came)
        .map(|(Sending { request, cut, .. }, (expected, came))| {
            let name = request.name;
            format!("{name}, cut at {cut:?}: expected {expected:#?}, but it was {came:#?}")
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        sendings.len(),
        differences.join("\n")
    );
}

/// Shows that most requests are accepted: two proxies that reject everything would agree, too.
fn is_worth_its_while(bare: &[Exchange]) {
    let served = bare
        .iter()
        .filter(|exchange| exchange.responses.iter().all(Response::is_recorded))
        .count();
    assert!(served > bare.len() / 4 && served < bare.len() * 3 / 4);
}
