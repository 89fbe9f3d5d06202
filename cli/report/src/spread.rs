//! The median and the range of a number over several runs.

/// The values of all runs in ascending order. A missing value counts as larger than any other: a service that was
/// never balanced took longer than any that was.
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

    /// Returns the middle value. For an even number of runs it is the lower of the two, which was measured.
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

    /// Formats it as `median (min-max)`, or as one number if these look the same. `none` stands for a missing value.
    pub fn format(&self, value: impl Fn(f64) -> String, none: &str) -> String {
        let text = |number: Option<f64>| number.map_or_else(|| none.to_owned(), &value);
        let end = |number: Option<&Option<f64>>| text(number.copied().flatten());
        let (min, max) = (end(self.values.first()), end(self.values.last()));
        let median = text(self.median());
        if min == max {
            median
        } else {
            format!("{median} ({min}-{max})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(values: &[Option<f64>]) -> String {
        Spread::of(values.iter().copied()).format(|value| format!("{value:.0}"), "never")
    }

    #[test]
    fn several_runs_have_a_median_and_a_range() {
        assert_eq!(format(&[Some(7.0)]), "7");
        assert_eq!(format(&[Some(7.1), Some(7.2)]), "7");
        assert_eq!(format(&[Some(9.0), Some(30.0), Some(8.0)]), "9 (8-30)");
        assert_eq!(
            format(&[Some(9.0), Some(30.0), Some(8.0), Some(10.0)]),
            "9 (8-30)"
        );
    }

    #[test]
    fn missing_value_is_the_largest() {
        let spread = Spread::of([None, Some(8.0), Some(9.0)]);
        assert_eq!(spread.known().collect::<Vec<_>>(), [8.0, 9.0]);
        assert_eq!(spread.missing(), 1);

        assert_eq!(format(&[None, Some(8.0), Some(9.0)]), "9 (8-never)");
        assert_eq!(format(&[None, None, Some(9.0)]), "never (9-never)");
        assert_eq!(format(&[None, None]), "never");
    }
}
