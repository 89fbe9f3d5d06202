//! Which last-stream-id a GOAWAY has.

use evenkeel_policy::LastStreamId;
use evenkeel_wire::DrainPoint;
use evenkeel_wire::h2::LastStreamIdTolerance;

use crate::Decision;

/// Whether a GOAWAY has the id of the client's last stream. If not, it has the highest id there is: it announces the
/// end of the connection and refuses no stream (RFC 9113 section 6.8).
///
/// An exact id refuses the requests that are in transit, which a client may safely send again. While streams are
/// active it is used only on a client that ignores the drain signal.
pub fn is_exact_goaway(
    configured: LastStreamId,
    tolerated: LastStreamIdTolerance,
    point: DrainPoint,
    decision: Decision,
) -> bool {
    let is_preferred = match configured {
        LastStreamId::Auto => tolerated == LastStreamIdTolerance::Exact,
        LastStreamId::Exact => true,
        LastStreamId::Max => false,
    };
    let is_idle = matches!(point, DrainPoint::Idle { .. });
    decision == Decision::RefuseRequests || (is_idle && is_preferred)
}

#[cfg(test)]
mod tests {
    use evenkeel_wire::{Http2Client, h2};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::DrainReason;

    const DRAIN: Decision = Decision::Drain(DrainReason::MaxConnectionAge);

    const CLIENT: Http2Client = Http2Client {
        tolerance: h2::UNKNOWN.tolerance,
        multiplexes: false,
        has_bodies: false,
    };
    const ACTIVE: DrainPoint = DrainPoint::Active { client: CLIENT };
    const IDLE: DrainPoint = DrainPoint::Idle {
        ends_stream: true,
        was_alone: true,
        client: CLIENT,
    };

    #[test]
    fn client_that_tolerates_an_exact_id_gets_one_when_idle() {
        let auto = |tolerated, point| is_exact_goaway(LastStreamId::Auto, tolerated, point, DRAIN);
        assert!(auto(LastStreamIdTolerance::Exact, IDLE));
        assert!(!auto(LastStreamIdTolerance::Exact, ACTIVE));
        assert!(!auto(LastStreamIdTolerance::Max, IDLE));
    }

    #[test]
    fn policy_overrides_the_client_table() {
        let exact = LastStreamIdTolerance::Exact;
        assert!(!is_exact_goaway(LastStreamId::Max, exact, IDLE, DRAIN));
        let max = LastStreamIdTolerance::Max;
        assert!(is_exact_goaway(LastStreamId::Exact, max, IDLE, DRAIN));
    }

    #[test]
    fn client_that_ignores_the_drain_signal_is_refused_further_streams() {
        let max = LastStreamIdTolerance::Max;
        for point in [IDLE, ACTIVE] {
            let decision = Decision::RefuseRequests;
            assert!(is_exact_goaway(LastStreamId::Max, max, point, decision));
        }
    }
}
