//! Finds a metric by the name and labels in a stat or a test.

use core::fmt;

use crate::{Metric, Values};

/// Why no metric has this name and these labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotListed {
    /// No metric has the name.
    Name(String),
    /// The metric does not have the label.
    Label(Metric, String),
    /// The label of the metric never has the value.
    Value(Metric, String, String),
}

impl Metric {
    /// The metric of this name with these labels: any of its own, in any order.
    ///
    /// # Errors
    /// States the first name, label or value that is not listed. So a test that reads a renamed metric fails, instead of
    /// reading 0.
    pub fn find(name: &str, labels: &[(&str, &str)]) -> Result<Self, NotListed> {
        let metric = Self::ALL.iter().find(|metric| metric.name() == name);
        let metric = *metric.ok_or_else(|| NotListed::Name(name.to_owned()))?;
        for (tag, value) in labels {
            let label = metric.labels().iter().find(|label| label.tag() == *tag);
            let label = label.ok_or_else(|| NotListed::Label(metric, (*tag).to_owned()))?;
            match label.values() {
                Values::Fixed(values) if !values.contains(value) => {
                    let (tag, value) = ((*tag).to_owned(), (*value).to_owned());
                    return Err(NotListed::Value(metric, tag, value));
                }
                Values::Fixed(_) | Values::Met(_) => {}
            }
        }
        Ok(metric)
    }
}

impl fmt::Display for NotListed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(formatter, "there is no metric {name}"),
            Self::Label(metric, tag) => write!(formatter, "{metric} has no label {tag}"),
            Self::Value(metric, tag, value) => {
                write!(formatter, "the label {tag} of {metric} is never {value:?}")
            }
        }
    }
}

impl core::error::Error for NotListed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, labels: &[(&str, &str)]) -> String {
        match Metric::find(name, labels) {
            Ok(metric) => format!("found {metric}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn metric_is_found_by_its_name_and_any_of_its_labels() {
        let closed = "evenkeel_connections_drained_total";
        for labels in [
            &[][..],
            &[("closed_by", "client")],
            &[
                ("closed_by", "client"),
                ("drain_reason", "max_connection_age"),
            ],
        ] {
            assert_eq!(Metric::find(closed, labels), Ok(Metric::Drained));
        }
        let upstream = [("upstream_host", "10.0.0.1:80")];
        let requests = Metric::find("evenkeel_upstream_requests_total", &upstream);
        assert_eq!(requests, Ok(Metric::UpstreamRequests));
    }

    #[test]
    fn error_states_what_is_not_listed() {
        let closed = "evenkeel_connections_drained_total";
        assert_eq!(
            error("evenkeel_close_total", &[]),
            "there is no metric evenkeel_close_total"
        );
        assert_eq!(
            error(closed, &[("bypass_reason", "field")]),
            "evenkeel_connections_drained_total has no label bypass_reason"
        );
        assert_eq!(
            error(closed, &[("closed_by", "server")]),
            r#"the label closed_by of evenkeel_connections_drained_total is never "server""#
        );
    }
}
