//! The rows and panels of the dashboard, independent of Grafana's JSON.

use evenkeel_metrics::Metric;

/// A row of panels under one title.
pub struct Row {
    pub title: &'static str,
    pub panels: Vec<Panel>,
}

/// A panel.
pub struct Panel {
    pub title: &'static str,
    pub kind: PanelKind,
    /// Grafana's id of the unit.
    pub unit: &'static str,
    /// The width in columns, of 24.
    pub width: u32,
    pub queries: Vec<Query>,
    /// The values from which the panel is orange, and red.
    pub thresholds: Option<(f64, f64)>,
    /// What the panel kind, and what to do.
    pub description: String,
}

/// How a panel shows its numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PanelKind {
    /// Series over time.
    Series,
    /// One number.
    Number,
}

/// A query and the legend of its series.
pub struct Query {
    pub expr: String,
    pub legend: String,
}

impl Panel {
    /// Creates a panel of series over time, two to a line.
    pub fn series(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self {
            title,
            kind: PanelKind::Series,
            unit,
            width: 12,
            queries: Vec::new(),
            thresholds: None,
            description: description.to_owned(),
        }
    }

    /// Creates a panel of one number, eight to a line.
    pub fn number(title: &'static str, unit: &'static str, description: &str) -> Self {
        Self {
            kind: PanelKind::Number,
            width: 3,
            ..Self::series(title, unit, description)
        }
    }

    /// Sets the width.
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

    /// Sets the values from which the panel is orange, and red.
    pub fn thresholds(mut self, orange: f64, red: f64) -> Self {
        self.thresholds = Some((orange, red));
        self
    }

    /// Adds the action that the list of metrics gives for a metric.
    pub fn add_action(mut self, metric: Metric) -> Self {
        if let Some(action) = metric.action() {
            self.description = format!("{}\n\nWhat to do: {action}", self.description);
        }
        self
    }
}
