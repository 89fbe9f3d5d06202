//! HTTP/1: what a client and a backend receive is the same with the module.

use std::collections::BTreeSet;

use evenkeel_test_conformance::exchange::{Client, exchange};
use evenkeel_test_conformance::requests::{self, Id};
use evenkeel_test_conformance::{End, Exchange, Listener, Request, Response, Site};

/// Requests that Envoy accepts although RFC 9112 forbids them. The module bypasses connections whose framing is ambiguous, so
/// they are not drained.
const BYPASSED: [&str; 11] = [
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
    split: Option<usize>,
    id: Id,
}

#[tokio::test]
async fn exchanges_are_the_same_with_and_without_the_module() {
    let site = Site::start().await.unwrap();
    let sendings = sendings();

    let bare = through(&site, Listener::Bare, &sendings, None).await;
    let (watched, draining) = tokio::join!(
        through(&site, Listener::Watched, &sendings, None),
        through(&site, Listener::Draining, &sendings, Some(&bare))
    );

    is_worth_its_while(&bare);
    agree(&sendings, &bare, &watched);
    let undrained = undrained(&sendings, &bare, &draining);
    assert_eq!(undrained, BTreeSet::from(BYPASSED));
    agree(&sendings, &bare, &without_added_closes(&bare, draining));
}

/// Returns every request of the table, complete and split at each unusual place.
fn sendings() -> Vec<Sending> {
    let ways = |request: Request| {
        let splits = request.splits(Id(0)).into_iter().map(Some);
        let splits: Vec<_> = [None].into_iter().chain(splits).collect();
        splits
            .into_iter()
            .map(move |split| (request.clone(), split))
    };
    let all = requests::all().into_iter().flat_map(ways);
    (0..)
        .map(Id)
        .zip(all)
        .map(|(id, (request, split))| Sending { request, split, id })
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
    let mut actual = Vec::new();
    for (place, Sending { request, split, id }) in sendings.iter().enumerate() {
        let client = match others {
            None => Client::Obedient,
            Some(others) => Client::Following(&others[place].responses),
        };
        match exchange(site, listener, client, request, *split, *id).await {
            Ok(responses) => actual.push(responses),
            Err(error) => panic!("{} ({split:?}) to {listener:?}: {error:#}", request.name),
        }
    }
    site.wait_until_idle(listener).await.unwrap();
    let recorder = site.recorder(listener);
    assert_eq!(recorder.strays(), [""; 0]);
    sendings
        .iter()
        .zip(actual)
        .map(|(sending, (responses, end))| Exchange {
            responses,
            end,
            received: recorder.received(sending.id),
        })
        .collect()
}

/// Returns the requests on connections that served another one and were not drained.
fn undrained(
    sendings: &[Sending],
    bare: &[Exchange],
    draining: &[Exchange],
) -> BTreeSet<&'static str> {
    let is_drained = |exchange: &Exchange| match &exchange.end {
        End::Kept(another) => exchange
            .responses
            .iter()
            .chain([another])
            .any(Response::closes),
        _ => true,
    };
    let names = sendings.iter().map(|sending| sending.request.name);
    names
        .zip(bare.iter().zip(draining))
        .filter(|(_, (bare, draining))| matches!(bare.end, End::Kept(_)) && !is_drained(draining))
        .map(|(name, _)| name)
        .collect()
}

/// The outcomes are the same, except for `connection: close` where `bare` has none.
fn without_added_closes(bare: &[Exchange], draining: Vec<Exchange>) -> Vec<Exchange> {
    let as_bare = |bare: &Response, draining: Response| match bare.closes() {
        true => draining,
        false => draining.without_close(),
    };
    let all = bare.iter().zip(draining);
    all.map(|(bare, mut draining)| {
        draining.responses = bare
            .responses
            .iter()
            .zip(draining.responses)
            .map(|(bare, draining)| as_bare(bare, draining))
            .collect();
        draining.end = match (&bare.end, draining.end) {
            (End::Kept(bare), End::Kept(draining)) => End::Kept(as_bare(bare, draining)),
            (_, end) => end,
        };
        draining
    })
    .collect()
}

fn agree(sendings: &[Sending], expected: &[Exchange], actual: &[Exchange]) {
    let differences: Vec<_> = sendings
        .iter()
        .zip(expected.iter().zip(actual))
        .filter(|(_, (expected, actual))| expected != actual)
        .map(|(Sending { request, split, .. }, (expected, actual))| {
            let name = request.name;
            format!("{name}, split at {split:?}: expected {expected:#?}, but was {actual:#?}")
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
