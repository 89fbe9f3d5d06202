//! A dashboard as Grafana imports it: JSON of its schema version 39, which every Grafana from 10.4 on reads.

use anyhow::Result;
use serde_json::{Value, json};

use super::panel::{Panel, Row, Shows};
use super::rows;

const SCHEMA: u32 = 39;
const COLUMNS: u32 = 24;
const ROW_HEIGHT: u32 = 1;
const NUMBER_HEIGHT: u32 = 4;
const SERIES_HEIGHT: u32 = 8;

/// The dashboard, whose workloads are told apart by this label.
pub fn dashboard(workload: &str) -> Result<String> {
    let selected = [workload, "pod"].map(|label| format!("{label}=~\"${label}\""));
    let selection = format!(
        "job=~\"$job\", namespace=~\"$namespace\", {}, instance=~\"$instance\"",
        selected.join(", ")
    );
    let mut variables = vec![datasource()];
    for (name, label) in [
        ("job", "Job"),
        ("namespace", "Namespace"),
        (workload, "Workload"),
        ("pod", "Pod"),
        ("instance", "Instance"),
    ] {
        variables.push(variable(name, label));
    }
    let dashboard = json!({
        "uid": "evenkeel",
        "title": "Evenkeel",
        "description": "Are long-lived connections even, what is moved, and what needs you. Written by `evenkeel dashboard`; docs/operating.md has every metric.",
        "tags": ["envoy", "evenkeel"],
        "editable": true,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA,
        "timezone": "browser",
        "time": { "from": "now-1h", "to": "now" },
        "refresh": "30s",
        "templating": { "list": variables },
        "annotations": { "list": [policies_accepted(&selection)] },
        "panels": panels(&rows::rows(&selection, workload)),
    });
    Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
}

fn from_datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn datasource() -> Value {
    json!({
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "hide": 0,
    })
}

/// A label to choose by. All matches what does not have it, too.
fn variable(name: &str, label: &str) -> Value {
    let query = rows::values_of(name);
    json!({
        "type": "query",
        "name": name,
        "label": label,
        "datasource": from_datasource(),
        "definition": query,
        "query": { "query": query, "refId": "values" },
        "refresh": 2,
        "sort": 1,
        "multi": true,
        "includeAll": true,
        "allValue": ".*",
        "current": { "text": "All", "value": "$__all" },
        "hide": 0,
    })
}

/// A mark in every graph where a policy came into force.
fn policies_accepted(selection: &str) -> Value {
    json!({
        "name": "Policies taken over",
        "datasource": from_datasource(),
        "enable": true,
        "hide": false,
        "iconColor": "blue",
        "expr": rows::policies_accepted(selection),
        "titleFormat": "A policy came into force",
    })
}

fn panels(rows: &[Row]) -> Vec<Value> {
    let mut all = Vec::new();
    let mut y = 0;
    for row in rows {
        let place = json!({ "h": ROW_HEIGHT, "w": COLUMNS, "x": 0, "y": y });
        all.push(json!({
            "type": "row",
            "id": all.len() + 1,
            "title": row.title,
            "collapsed": false,
            "gridPos": place,
            "panels": [],
        }));
        y += ROW_HEIGHT;
        let (mut x, mut tallest) = (0, 0);
        for panel in &row.panels {
            let height = match panel.shows {
                Shows::Number => NUMBER_HEIGHT,
                Shows::Series => SERIES_HEIGHT,
            };
            if x + panel.width > COLUMNS {
                (x, y, tallest) = (0, y + tallest, 0);
            }
            let place = json!({ "h": height, "w": panel.width, "x": x, "y": y });
            all.push(shown(panel, all.len() + 1, &place));
            x += panel.width;
            tallest = tallest.max(height);
        }
        y += tallest;
    }
    all
}

fn shown(panel: &Panel, id: usize, place: &Value) -> Value {
    let targets = panel.queries.iter().zip('A'..).map(|(query, name)| {
        json!({
            "refId": name.to_string(),
            "datasource": from_datasource(),
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": panel.shows == Shows::Number,
            "range": panel.shows == Shows::Series,
        })
    });
    let targets: Vec<_> = targets.collect();
    let (kind, options, custom) = match panel.shows {
        Shows::Series => (
            "timeseries",
            json!({
                "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 5,
                "showPoints": "never",
                "thresholdsStyle": { "mode": if panel.thresholds.is_some() { "line" } else { "off" } },
            }),
        ),
        Shows::Number => (
            "stat",
            json!({
                "colorMode": "background",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "textMode": "auto",
                "wideLayout": true,
                "showPercentChange": false,
                "percentChangeColorMode": "standard",
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            }),
            json!({}),
        ),
    };
    let mut steps = vec![json!({ "color": "green", "value": null })];
    if let Some((orange, red)) = panel.thresholds {
        if orange < red {
            steps.push(json!({ "color": "orange", "value": orange }));
        }
        steps.push(json!({ "color": "red", "value": red }));
    }
    let color = match panel.shows {
        Shows::Series => "palette-classic",
        Shows::Number => "thresholds",
    };
    json!({
        "type": kind,
        "id": id,
        "title": panel.title,
        "description": panel.description,
        "datasource": from_datasource(),
        "gridPos": place,
        "targets": targets,
        "options": options,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "color": { "mode": color },
                "thresholds": { "mode": "absolute", "steps": steps },
                "custom": custom,
            },
            "overrides": [],
        },
    })
}
