//! How even loads are.

use serde::Serialize;

/// The loads of several pods or hosts.
#[derive(Debug, Serialize)]
pub struct Evenness {
    /// The unit of the loads.
    pub measure: &'static str,
    /// The load of each pod or host.
    pub loads: Vec<(String, f64)>,
    /// The maximum over the mean: 1 is even. None without load.
    pub max_over_mean: Option<f64>,
    /// Jain's fairness index, `(sum x)^2 / (n * sum x^2)`: 1 is even, 1/n is one of n with all.
    pub jain: Option<f64>,
}

impl Evenness {
    pub fn of(measure: &'static str, loads: impl IntoIterator<Item = (String, f64)>) -> Self {
        let loads: Vec<_> = loads.into_iter().collect();
        let count = loads.len() as f64;
        let sum: f64 = loads.iter().map(|(_, load)| load).sum();
        let squares: f64 = loads.iter().map(|(_, load)| load * load).sum();
        let largest = loads.iter().map(|(_, load)| *load).fold(0.0, f64::max);
        let is_loaded = sum > 0.0;
        Self {
            measure,
            loads,
            max_over_mean: is_loaded.then(|| largest * count / sum),
            jain: is_loaded.then(|| sum * sum / (count * squares)),
        }
    }

    /// Renders a load as a bar of at most `width` characters.
    pub fn bar(&self, load: f64, width: usize) -> String {
        let largest = self.loads.iter().map(|(_, load)| *load).fold(0.0, f64::max);
        let eighths = if largest > 0.0 {
            (load / largest * width as f64 * 8.0).round() as usize
        } else {
            0
        };
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
        "█".repeat(eighths / 8) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(loads: &[f64]) -> Evenness {
        Evenness::of(
            "connections",
            loads.iter().map(|load| (String::new(), *load)),
        )
    }

    #[test]
    fn jain_index_is_one_if_even() {
        assert_eq!(
            (of(&[5.0; 4]).max_over_mean, of(&[5.0; 4]).jain),
            (Some(1.0), Some(1.0))
        );
        let all = of(&[8.0, 0.0, 0.0, 0.0]);
        assert_eq!((all.max_over_mean, all.jain), (Some(4.0), Some(0.25)));
        let nothing = of(&[0.0, 0.0]);
        assert_eq!((nothing.max_over_mean, nothing.jain), (None, None));
        assert_eq!(of(&[]).jain, None);
    }

    #[test]
    fn largest_load_has_the_full_bar() {
        let loads = of(&[8.0, 4.0, 0.5, 0.0]);
        let bars: Vec<_> = [8.0, 4.0, 0.5, 0.0].map(|load| loads.bar(load, 4)).into();

        assert_eq!(bars, ["████", "██", "▎", ""]);
    }
}
