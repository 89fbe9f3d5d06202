//! The keys of `rebalance` and `peers`.
use crate::declare::object;
use crate::rebalance::{Measure, Trust, Weight};
use crate::value::{
    AgeLimit, Cluster, Count, GossipInterval, HighWatermark, LowWatermark, MaxRate, Samples, Wait,
};

object! {
    /// How a pod with more load than its peers drains its excess, and only that.
    struct Rebalance {
        /// What is compared.
        "measure" => measure: Measure = "connections",
        /// The excess over the mean at which rebalancing begins, as a fraction of the mean: 0.2 is a fifth.
        "high_watermark" => high_watermark: HighWatermark = 0.2,
        /// The excess over the mean at which rebalancing ends. At most `high_watermark`.
        "low_watermark" => low_watermark: LowWatermark = 0.1,
        /// The fraction of the mean load that one proxy drains in a second, at most.
        "max_rate" => max_rate: MaxRate = 0.01,
        /// A pod with fewer connections than this drains none.
        "min_connections" => min_connections: Count = 50,
        /// The load is sampled each second; rebalancing begins when more than half of the last so many
        /// samples show an excess.
        "samples" => samples: Samples = 5,
        /// The share of this pod relative to the others: a number, or "workers" for the number of its
        /// worker threads.
        "weight" => weight: Weight = 1,
        /// A pod younger than this has a smaller share: its uptime as a fraction of this time.
        "slow_start" => slow_start: Wait = "0s",
        /// Nothing is drained while another pod is younger than this, or has begun to drain within it.
        "stabilization_window" => stabilization_window: Wait = "5s",
        /// While no peers are known, connections are drained at random, at this age on average.
        "fallback_mean_connection_age" => fallback_mean_connection_age: AgeLimit = "off",
    }
    renamed {
        "start_at" => "high_watermark",
        "tolerance" => "low_watermark",
        "rate" => "max_rate",
        "looks" => "samples",
        "settle" => "stabilization_window",
        "fallback_mean_age" => "fallback_mean_connection_age",
    }
    misplaced {
        "cluster" => "`cluster` belongs inside `peers`",
        "interval" => "`interval` belongs inside `peers`",
        "trust" => "`trust` belongs inside `peers`",
        "mean_connection_age" => "`mean_connection_age` belongs inside `defaults`, a route or a rule of `tcp`; for pods that know no peers use `fallback_mean_connection_age`",
        "per_second" => "`per_second` belongs inside `budget`; here `max_rate` is a fraction of the mean load",
    }
    off "to compare no load, remove `rebalance`"
}

object! {
    /// How the pods of a service exchange load reports.
    struct Peers {
        /// Envoy's cluster of the service; in Istio such as
        /// "outbound|8080||shop.default.svc.cluster.local".
        required "cluster" => cluster: Cluster,
        /// The time in which each pod sends requests to a few others, selected by Envoy's load balancing.
        "interval" => interval: GossipInterval = "1s",
        /// From whom requests get a response, and whose reports are used.
        "trust" => trust: Trust = "same_identity",
    }
    renamed {
        "every" => "interval",
        "allow" => "trust",
    }
    misplaced {
        "measure" => "`measure` belongs inside `rebalance`",
        "weight" => "`weight` belongs inside `rebalance`",
    }
    off "to exchange no load reports, remove `peers`"
}
