//! The row about upstream connections.

use evenkeel_metrics::Metric;

use super::{OVER, POD, POD_LEGEND};
use crate::dashboard::panel::{Panel, Row};
use crate::promql::{Selector, max_over_mean, sum_by};

/// The upstream hosts, and what recycling does with their connections.
pub(super) fn row(of: Selector<'_>) -> Row {
    let host = |title, unit, metric: Metric| {
        Panel::series(title, unit, metric.help()).query(
            sum_by("upstream_host", &of.now(metric)),
            "{{upstream_host}}",
        )
    };
    let requests = sum_by(
        &format!("{POD}, upstream_host"),
        &of.now(Metric::UpstreamRequestRate),
    );
    Row {
        title: "Upstream hosts",
        panels: vec![
            host("Connections", "short", Metric::UpstreamConnections),
            host("Active requests", "short", Metric::UpstreamActive),
            host("Requests per second on open connections", "reqps", Metric::UpstreamRequestRate),
            host("Bytes per second on open connections", "Bps", Metric::UpstreamByteRate),
            Panel::series("Requests per second", "reqps", Metric::UpstreamRequests.help()).query(
                sum_by("upstream_host", &of.rate(Metric::UpstreamRequests, OVER)),
                "{{upstream_host}}",
            ),
            Panel::series(
                "Highest host / mean",
                "none",
                "The highest request rate that one proxy sends to an upstream host, divided by the mean: 1 is even. It is for gateways; hosts of different services are not comparable.",
            )
            .query(max_over_mean(POD, &requests), POD_LEGEND),
            Panel::series(
                "Upstream connections recycled per second",
                "cps",
                "Upstream connections that reached a limit, those that a marked request ended, and others that it ended early.",
            )
            .query(format!("sum ({})", of.rate(Metric::UpstreamExpired, OVER)), "expired")
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamRecycled, OVER)),
                "recycled",
            )
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamClosedEarly, OVER)),
                "closed early",
            )
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamNotRecycled, OVER)),
                "not recycled",
            )
            .add_action(Metric::UpstreamClosedEarly),
        ],
    }
}
