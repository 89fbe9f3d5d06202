//! The HTTP role: which rule a request's route chooses, and which upstream answers it.

use std::rc::Rc;

use evenkeel_engine::ConnectionId;
use evenkeel_policy::{Policy, Request, Rule};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::metrics;
use crate::policies::RootId;
use crate::recycle::Mark;
use crate::worker::{self, Worker, defaults};
use crate::{host, recycle};

pub(crate) struct Stream {
    root: RootId,
    /// The connection that it protects from being moved.
    protects: Option<ConnectionId>,
    /// The host that answers it.
    upstream: Option<metrics::Upstream>,
    mark: Option<Mark>,
}

impl Stream {
    pub(crate) fn new(root: RootId) -> Self {
        Self {
            root,
            protects: None,
            upstream: None,
            mark: None,
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let root = self.root;
        let begun = worker::with(|worker| {
            worker.policies.used(root, worker.engine.now());
            let policy = worker.policies.get(root).map(Rc::clone)?;
            let protects = if policy.routes.is_empty() {
                None
            } else {
                govern(worker, &policy)
            };
            Some((protects, recycle::mark(worker, &policy)))
        });
        if let Some((protects, mark)) = begun.flatten() {
            self.protects = protects;
            self.mark = mark;
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        if self.upstream.is_some() {
            return Action::Continue;
        }
        let address = host::property(&["upstream", "address"]);
        if address.is_empty() {
            return Action::Continue;
        }
        let (root, mark) = (self.root, self.mark.take());
        self.upstream = worker::with(|worker| {
            let upstream = worker.metrics.upstream(&address);
            upstream.request_began();
            recycle::answered(worker, root, address, mark);
            upstream
        });
        Action::Continue
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(upstream) = self.upstream {
            upstream.request_ended();
        }
        if self.protects.is_none() && self.mark.is_none() {
            return;
        }
        let (protects, mark) = (self.protects.take(), self.mark.take());
        worker::with(|worker| {
            if let Some(id) = protects {
                worker.engine.unprotect(id);
            }
            if let Some(mark) = mark {
                mark.over(worker);
            }
        });
    }
}

/// Finds the rule of the request in hand and puts its connection under it. Gives the connection if the
/// rule protects the stream.
fn govern(worker: &mut Worker, policy: &Policy) -> Option<ConnectionId> {
    let id = host::number(&["connection", "id"]).map(ConnectionId)?;
    let Some(origin) = worker.engine.origin(id) else {
        worker.unjoined();
        return None;
    };
    let needs = policy.needs();
    let ask = |needed: bool, ask: &dyn Fn() -> Vec<u8>| if needed { ask() } else { Vec::new() };
    let route = ask(needs.route, &|| host::property(&["xds", "route_name"]));
    let authority = ask(needs.authority, &|| host::request_header(":authority"));
    let path = ask(needs.path, &|| host::request_header(":path"));
    let request = Request {
        route: &route,
        authority: &authority,
        path: &path,
    };
    let matched = policy
        .route(origin.direction, &request)
        .map(|route| Rc::clone(&route.rule));
    let rule: Rc<Rule> = matched.or_else(|| defaults(policy, origin.direction))?;
    worker.engine.govern(id, &rule);
    rule.protect.then(|| {
        worker.engine.protect(id, &rule);
        id
    })
}
