//! Subjects on which an answer is expected.

use std::collections::VecDeque;

/// How many are remembered; the oldest is forgotten for a further one.
const MAX_SUBJECTS: usize = 256;

/// An answer is no longer expected after so many of those behind it: the one who asked has given up. Many fast
/// requests pass a slow one on the connection that a process shares.
const MAX_PASSED: u16 = 1024;

/// No answers are expected after so many subjects without one. Clients have thousands in flight: nats.go sends
/// 4000 messages to JetStream before it waits for the first acknowledgement.
const MAX_UNANSWERED: u16 = 4096;

/// After so many PINGs of the server, which are minutes apart, too.
const MAX_AGE: u8 = 2;

/// A set of subjects, in the order in which they were sent.
///
/// Nothing on the wire shows that a request has timed out, or that a subscriber does not answer what has a
/// reply subject. So an answer is expected only as long as it is likely.
#[derive(Debug, Default)]
pub(super) struct Expected {
    subjects: VecDeque<Subject>,
    /// One was answered.
    is_answered: bool,
    /// How many there were before one was answered.
    unanswered: u16,
}

#[derive(Clone, Copy, Debug)]
struct Subject {
    hash: u64,
    /// How many behind it were answered.
    passed: u16,
    age: u8,
}

impl Expected {
    pub(super) fn is_empty(&self) -> bool {
        let is_ignored = !self.is_answered && self.unanswered > MAX_UNANSWERED;
        is_ignored || self.subjects.is_empty()
    }

    pub(super) fn insert(&mut self, hash: u64) {
        self.unanswered = self.unanswered.saturating_add(1);
        if self.subjects.len() >= MAX_SUBJECTS {
            self.subjects.pop_front();
        }
        self.subjects.push_back(Subject {
            hash,
            passed: 0,
            age: 0,
        });
    }

    /// Applies a message on a subject, which may be the answer on it.
    pub(super) fn remove(&mut self, hash: u64) {
        let index = self
            .subjects
            .iter()
            .position(|subject| subject.hash == hash);
        let Some(index) = index else {
            return;
        };
        self.subjects.remove(index);
        for subject in self.subjects.iter_mut().take(index) {
            subject.passed = subject.passed.saturating_add(1);
        }
        self.subjects.retain(|subject| subject.passed < MAX_PASSED);
        self.is_answered = true;
    }

    pub(super) fn age(&mut self) {
        for subject in &mut self.subjects {
            subject.age = subject.age.saturating_add(1);
        }
        self.subjects.retain(|subject| subject.age < MAX_AGE);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.subjects
            .capacity()
            .saturating_mul(size_of::<Subject>())
    }
}
