//! The seeds of the demo's runs. All of them follow from one number, which the demo prints.

use std::fmt;

/// Consecutive seeds: the same first seed repeats the same random decisions.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    first: u64,
    count: u64,
}

impl Seeds {
    /// `count` seeds, at least one.
    pub fn new(first: u64, count: u64) -> Self {
        Self {
            first,
            count: count.max(1),
        }
    }

    /// Returns the seed of scenarios that run once.
    pub fn first(self) -> u64 {
        self.first
    }

    /// Returns the number of seeds.
    pub fn count(self) -> u64 {
        self.count
    }

    /// Returns all seeds.
    pub fn all(self) -> impl Iterator<Item = u64> {
        (0..self.count).map(move |number| self.first.wrapping_add(number))
    }
}

/// Names the seeds as the table and the page do.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "one run, seed {}", self.first),
            count => {
                let last = self.first.wrapping_add(count - 1);
                write!(f, "{count} runs, seeds {} to {last}", self.first)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_follow_from_the_first() {
        let seeds = Seeds::new(7, 3);

        assert_eq!(seeds.all().collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(seeds.to_string(), "3 runs, seeds 7 to 9");
        assert_eq!(Seeds::new(7, 1).to_string(), "one run, seed 7");
    }
}
