//! Background tasks of tests: a task that panics fails the test, whatever the test does with the task.
//!
//! Tokio returns the panic of a task to the task that joins it. A test that aborts its tasks or drops their handles passes although an
//! assertion in a task has failed. So `clippy.toml` forbids all other ways to start a task.

use std::fmt;
use std::panic::resume_unwind;
use std::thread;

// `clippy.toml` forbids it elsewhere.
#[expect(clippy::disallowed_types, reason = "this type joins them")]
use tokio::task::JoinSet;
use tokio::task::{AbortHandle, JoinError};

/// Tasks with results of one type.
///
/// [`Tasks::next`], [`Tasks::join`] and [`Tasks::stop`] resume the panic of a task. Dropping it aborts the tasks, and panics if
/// one of them has panicked.
#[expect(clippy::disallowed_types, reason = "this type joins them")]
pub struct Tasks<T: 'static = ()>(JoinSet<T>);

impl<T: Send + 'static> Tasks<T> {
    /// Returns a group without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task.
    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) -> AbortHandle {
        self.0.spawn(task)
    }

    /// Drops the results of the tasks that have ended.
    ///
    /// # Panics
    /// With the panic of the first task that panicked.
    pub fn check(&mut self) {
        while let Some(ended) = self.0.try_join_next() {
            result(ended);
        }
    }

    /// Waits until the next task ends, and returns its result; None when there are no more.
    ///
    /// # Panics
    /// With the panic of the task.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            let ended = self.0.join_next().await?;
            if let Some(result) = result(ended) {
                return Some(result);
            }
        }
    }

    /// Waits until all tasks have ended, and returns their results in the order in which they ended.
    ///
    /// # Panics
    /// With the panic of the first task that panicked.
    pub async fn join(mut self) -> Vec<T> {
        let mut results = Vec::new();
        while let Some(result) = self.next().await {
            results.push(result);
        }
        results
    }

    /// Aborts the running tasks, and waits until they have ended.
    ///
    /// # Panics
    /// With the panic of the first task that panicked.
    pub async fn stop(mut self) {
        self.0.abort_all();
        self.join().await;
    }
}

/// A task with a result.
///
/// Dropping it aborts the task, and panics if the task has panicked.
#[derive(Debug)]
pub struct Task<T: 'static>(Tasks<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts a task.
    pub fn spawn(task: impl Future<Output = T> + Send + 'static) -> Self {
        let mut tasks = Tasks::new();
        tasks.spawn(task);
        Self(tasks)
    }

    /// Waits until it ends, and returns its result.
    ///
    /// # Panics
    /// With the panic of the task.
    pub async fn join(mut self) -> T {
        match self.0.next().await {
            Some(result) => result,
            // Only the owner can abort it, and `join` consumes the owner.
            None => panic!("the task was ended by its runtime"),
        }
    }
}

/// Runs the driver of a client's connection until it ends. Requests see how their connection ends, so its result is dropped.
///
/// The driver must not assert: its panic would be lost.
#[expect(clippy::disallowed_methods, reason = "the bounds keep assertions out")]
pub fn drive<E: std::error::Error + Send + 'static>(
    driver: impl IntoFuture<Output = Result<(), E>, IntoFuture: Send + 'static>,
) {
    tokio::spawn(driver.into_future());
}

/// Runs blocking work, such as a client's process, on a separate thread, and returns its result.
///
/// # Panics
/// With the panic of the work.
#[expect(clippy::disallowed_methods, reason = "its panic goes on here")]
pub async fn block<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match result(tokio::task::spawn_blocking(work).await) {
        Some(result) => result,
        None => panic!("the work was ended by its runtime"),
    }
}

/// Returns the result of a task; None if it was aborted.
fn result<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(result) => Some(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => None,
        },
    }
}

impl<T: 'static> Default for Tasks<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T: Send + 'static, F: Future<Output = T> + Send + 'static> FromIterator<F> for Tasks<T> {
    fn from_iter<I: IntoIterator<Item = F>>(tasks: I) -> Self {
        Self(tasks.into_iter().collect())
    }
}

impl<T: 'static> fmt::Debug for Tasks<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} tasks", self.0.len())
    }
}

impl<T: 'static> Drop for Tasks<T> {
    fn drop(&mut self) {
        // A second panic would abort the process and hide the first.
        if thread::panicking() {
            return;
        }
        while let Some(ended) = self.0.try_join_next() {
            result(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::task::yield_now;

    use super::*;

    /// Returns the panic of `test`; None without a panic.
    fn panic_of(test: impl Future<Output = ()>) -> Option<String> {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test)));
        ended
            .err()
            .map(|panic| panic.downcast_ref::<&str>().unwrap().to_string())
    }

    async fn fails() {
        panic!("the assertion in the task");
    }

    const FAILED: Option<&str> = Some("the assertion in the task");

    #[test]
    fn panic_in_a_task_fails_the_test() {
        let joined = panic_of(async {
            let mut tasks = Tasks::new();
            tasks.spawn(fails());
            tasks.join().await;
        });
        let stopped = panic_of(async {
            let mut tasks = Tasks::new();
            tasks.spawn(fails());
            tasks.spawn(pending());
            yield_now().await;
            tasks.stop().await;
        });
        let dropped = panic_of(async {
            let mut tasks = Tasks::new();
            tasks.spawn(fails());
            tasks.spawn(pending());
            yield_now().await;
        });
        let one = panic_of(async {
            let _task = Task::spawn(fails());
            yield_now().await;
        });

        for panic in [joined, stopped, dropped, one] {
            assert_eq!(panic.as_deref(), FAILED);
        }
    }

    #[test]
    fn stopped_or_dropped_task_is_no_failure() {
        let panic = panic_of(async {
            let mut tasks = Tasks::<()>::new();
            tasks.spawn(pending());
            tasks.stop().await;
            let mut tasks = Tasks::new();
            tasks.spawn(tokio::time::sleep(Duration::from_secs(3600)));
            yield_now().await;
        });

        assert_eq!(panic, None);
    }

    #[test]
    fn panic_of_the_test_itself_is_shown() {
        let panic = panic_of(async {
            let mut tasks = Tasks::new();
            tasks.spawn(fails());
            yield_now().await;
            panic!("the test's own");
        });

        assert_eq!(panic.as_deref(), Some("the test's own"));
    }

    #[test]
    fn results_are_returned() {
        let panic = panic_of(async {
            let mut tasks = Tasks::new();
            tasks.spawn(async { 1 });
            tasks.spawn(async { 2 });
            assert_eq!(tasks.join().await, [1, 2]);
            assert_eq!(Task::spawn(async { 3 }).join().await, 3);
        });

        assert_eq!(panic, None);
    }
}
