//! A root context: one filter entry's configuration, and the tick.

use evenkeel_policy::Role;
use evenkeel_wire::h2;
use proxy_wasm::traits::{Context, HttpContext, RootContext, StreamContext};
use proxy_wasm::types::ContextType;

use crate::http::Stream;
use crate::network::Network;
use crate::policies::RootId;
use crate::worker::Act;
use crate::{host, peers, worker};

pub(crate) struct Root {
    id: RootId,
}

impl Root {
    pub(crate) fn new(id: u32) -> Self {
        Self { id }
    }

    /// What the context being made is for. A configuration that does not say (a broken one never does)
    /// may even stand in both kinds of filter, which then share this root: only an HTTP stream has a
    /// request.
    fn role(&self) -> Role {
        worker::with(|worker| worker.policies.role(self.id))
            .flatten()
            .unwrap_or_else(|| {
                if host::property(&["request", "protocol"]).is_empty() {
                    Role::Network
                } else {
                    Role::Http
                }
            })
    }
}

impl Context for Root {
    fn on_http_call_response(
        &mut self,
        _token: u32,
        headers: usize,
        size: usize,
        _trailers: usize,
    ) {
        peers::answered(headers, size);
    }
}

impl RootContext for Root {
    /// Always true: Envoy would refuse traffic otherwise, and a bad policy never touches traffic.
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::plugin_configuration(size);
        worker::with(|worker| worker.configure(self.id, &text));
        host::tick_every(worker::TICK);
        true
    }

    fn on_tick(&mut self) {
        // The worker must be free again: the host calls back for each close.
        let acts = worker::with(worker::Worker::tick).unwrap_or_default();
        if acts.is_empty() {
            return;
        }
        for act in acts {
            match act {
                Act::Close(context) => host::close(context),
                Act::EndStream(context) => host::end_unavailable(context, h2::UNAVAILABLE),
                Act::Ask(question) => {
                    // The closes before it were in the name of others.
                    host::become_context(self.id);
                    peers::ask(&question);
                }
            }
        }
        host::become_context(self.id);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(match self.role() {
            Role::Network => ContextType::StreamContext,
            Role::Http => ContextType::HttpContext,
        })
    }

    fn create_stream_context(&self, context: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Network::open(self.id, context)))
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.id, context)))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        worker::with(|worker| worker.forget(self.id));
    }
}
