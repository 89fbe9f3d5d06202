//! The keys of `shed` and `peers`.
use crate::declare::object;
use crate::shed::{Allow, Measure, Weight};
use crate::value::{AgeLimit, Cluster, Count, Every, Looks, Part, StartAt, Tolerance, Wait};

object! {
    /// How a pod that carries more than the others moves its surplus, and only that.
    struct Shed {
        /// What is compared.
        "measure" => measure: Measure = "connections",
        /// The surplus over the mean at which shedding begins, as a part of the mean: 0.2 is a fifth.
        "start_at" => start_at: StartAt = 0.2,
        /// The surplus that is left alone, as a part of the mean: shedding ends there. At most `start_at`.
        "tolerance" => tolerance: Tolerance = 0.1,
        /// The part of the mean load that one proxy moves in a second, at most.
        "rate" => rate: Part = 0.01,
        /// A pod with fewer connections than this sheds nothing.
        "min_connections" => min_connections: Count = 50,
        /// Each second the pod looks at its load; it sheds when more than half of the last so many looks
        /// found a surplus.
        "looks" => looks: Looks = 5,
        /// What this pod should carry relative to the others: a number, or "workers" for the number of
        /// its worker threads.
        "weight" => weight: Weight = 1,
        /// A pod younger than this is expected to carry less than its share: the part of it that its
        /// uptime is of this time.
        "slow_start" => slow_start: Wait = "0s",
        /// Nothing is shed while another pod is younger than this, or has begun to drain within it.
        "settle" => settle: Wait = "5s",
        /// While nothing is known of the other pods, connections are moved by chance, at this age on
        /// average; once they are known, not.
        "fallback_mean_age" => fallback_mean_age: AgeLimit = "off",
    }
    misplaced {
        "cluster" => "`cluster` belongs inside `peers`",
        "every" => "`every` belongs inside `peers`",
        "allow" => "`allow` belongs inside `peers`",
        "mean_age" => "`mean_age` belongs inside `defaults`, a route or a connection rule; for pods that know nothing of each other say `fallback_mean_age`",
        "per_second" => "`per_second` belongs inside `budget`; here `rate` is a part of the mean load",
    }
}

object! {
    /// How the pods of a service tell each other what they carry.
    struct Peers {
        /// Envoy's cluster of the service; in Istio such as
        /// "outbound|8080||shop.default.svc.cluster.local".
        required "cluster" => cluster: Cluster,
        /// The time in which each pod asks a few others, chosen by Envoy's load balancing.
        "every" => every: Every = "1s",
        /// Who is answered, and believed.
        "allow" => allow: Allow = "same_identity",
    }
    misplaced {
        "measure" => "`measure` belongs inside `shed`",
        "weight" => "`weight` belongs inside `shed`",
    }
}
