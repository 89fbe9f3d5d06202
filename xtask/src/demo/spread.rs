//! One number of several runs: its median and its range.

/// The values of all runs in ascending order. A value that is missing counts as more than any other: a
/// service that was never balanced took longer than any that was.
pub struct Spread {
    values: Vec<Option<f64>>,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let order = |value: &Option<f64>| value.unwrap_or(f64::INFINITY);
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|one, other| order(one).total_cmp(&order(other)));
        Self { values }
    }

    /// Returns the middle value; of an even number of runs the lower of the two, so that it is one that was
    /// measured.
    pub fn median(&self) -> Option<f64> {
        let middle = self.values.len().saturating_sub(1) / 2;
        self.values.get(middle).copied().flatten()
    }

    /// Returns the values that are not missing, in ascending order.
    pub fn known(&self) -> impl Iterator<Item = f64> {
        self.values.iter().filter_map(|value| *value)
    }

    /// Returns how many runs have no value.
    pub fn missing(&self) -> usize {
        self.values.iter().filter(|value| value.is_none()).count()
    }

    /// Formats it as `median (least-most)`, or as one number if all are shown alike. `none` stands for a
    /// missing value.
    pub fn show(&self, show: impl Fn(f64) -> String, none: &str) -> String {
        let shown = |value: Option<f64>| value.map_or_else(|| none.to_owned(), &show);
        let end = |value: Option<&Option<f64>>| shown(value.copied().flatten());
        let (least, most) = (end(self.values.first()), end(self.values.last()));
        let median = shown(self.median());
        if least == most {
            median
        } else {
            format!("{median} ({least}-{most})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_runs_have_a_median_and_a_range() {
        let of = |values: &[Option<f64>]| {
            Spread::of(values.iter().copied()).show(|value| format!("{value:.0}"), "never")
        };

        assert_eq!(of(&[Some(7.0)]), "7");
        assert_eq!(of(&[Some(9.0), Some(30.0), Some(8.0)]), "9 (8-30)");
        assert_eq!(
            of(&[Some(9.0), Some(30.0), Some(8.0), Some(10.0)]),
            "9 (8-30)"
        );
        assert_eq!(of(&[Some(7.1), Some(7.2)]), "7");
    }

    #[test]
    fn a_missing_value_is_the_largest() {
        let spread = Spread::of([None, Some(8.0), Some(9.0)]);

        assert_eq!(
            spread.show(|value| format!("{value:.0}"), "never"),
            "9 (8-never)"
        );
        assert_eq!(spread.known().collect::<Vec<_>>(), [8.0, 9.0]);
        assert_eq!(spread.missing(), 1);
        assert_eq!(
            Spread::of([None, None]).show(|value| value.to_string(), "never"),
            "never"
        );
    }
}
