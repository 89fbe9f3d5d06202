//! A panel, before it is JSON.

use evenkeel_metrics::Metric;

/// A row of panels under one title.
pub struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

/// One panel.
pub struct Panel {
    pub title: &'static str,
    pub shows: Shows,
    /// How Grafana writes a number: the id of a unit.
    pub unit: &'static str,
    /// In columns, of 24.
    pub width: u32,
    pub queries: Vec<Query>,
    /// From where on it is orange, and red.
    pub thresholds: Option<(f64, f64)>,
    /// What it means, and what to do.
    pub description: String,
}

/// How a panel shows its numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Over time.
    Series,
    /// One number.
    Number,
}

/// A query and how its series are named.
pub struct Query {
    pub expr: String,
    pub legend: String,
}

impl Panel {
    /// Series over time, two to a line.
    pub fn series(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self {
            title,
            shows: Shows::Series,
            unit,
            width: 12,
            queries: Vec::new(),
            thresholds: None,
            description: description.to_owned(),
        }
    }

    /// One number, eight to a line.
    pub fn number(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self {
            shows: Shows::Number,
            width: 3,
            ..Self::series(title, unit, description)
        }
    }

    /// Narrower or wider.
    pub fn width(mut self, columns: u32) -> Self {
        self.width = columns;
        self
    }

    /// Adds a query. Its `legend` may name labels: `{{reason}}`.
    pub fn query(mut self, expr: impl Into<String>, legend: impl Into<String>) -> Self {
        let (expr, legend) = (expr.into(), legend.into());
        self.queries.push(Query { expr, legend });
        self
    }

    /// Orange from the first on, red from the second.
    pub fn red_from(mut self, orange: f64, red: f64) -> Self {
        self.thresholds = Some((orange, red));
        self
    }

    /// Adds the action that the list of metrics gives for a metric.
    pub fn act(mut self, metric: Metric) -> Self {
        if let Some(action) = metric.action() {
            self.description = format!("{}\n\nWhat to do: {action}", self.description);
        }
        self
    }
}
