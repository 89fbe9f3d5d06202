//! gRPC streams that end at an age of their own.

use std::rc::Rc;

use evenkeel_policy::Rule;

use super::Engine;
use crate::connection::State;
use crate::limits::Draw;
use crate::timed::Timed;
use crate::{ConnectionId, DrainReason, StreamId};

impl Engine {
    /// A gRPC stream under `rule` has begun on the connection; `seed` is its chance.
    pub fn stream_started(
        &mut self,
        id: ConnectionId,
        stream: StreamId,
        rule: &Rc<Rule>,
        seed: u64,
    ) {
        let began = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let timed = Timed {
            rule: Rc::clone(rule),
            began,
            draw: Draw::new(seed),
            answered: false,
        };
        let streams = connection.streams.get_or_insert_default();
        streams.insert(stream, timed);
        self.rearm(id);
    }

    /// The head of the answer has come.
    pub fn stream_response_started(&mut self, id: ConnectionId, stream: StreamId) {
        let connection = self.connections.get_mut(&id);
        let streams = connection.and_then(|connection| connection.streams.as_mut());
        if let Some(timed) = streams.and_then(|streams| streams.get_mut(stream)) {
            timed.answered = true;
        }
    }

    /// The stream has ended.
    pub fn stream_ended(&mut self, id: ConnectionId, stream: StreamId) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some(streams) = &mut connection.streams {
            streams.remove(stream);
        }
        // It was only for this stream that the connection was to be moved.
        if let State::Due {
            reason: DrainReason::MaxStreamAge,
            ..
        } = connection.state
            && !connection.is_stream_over(now)
        {
            connection.state = State::Serving;
        }
        self.rearm(id);
    }
}
