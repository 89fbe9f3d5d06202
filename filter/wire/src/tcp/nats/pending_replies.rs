//! Subjects on which a reply is pending.

use std::collections::VecDeque;

/// How many subjects are kept; a further one replaces the oldest.
const MAX_SUBJECTS: usize = 256;

/// How many later subjects get their reply before one is dropped: the requester has given up. Many fast requests
/// overtake a slow one on the connection that a process shares.
const MAX_PASSED: u16 = 1024;

/// After how many subjects without any reply the peer counts as one that does not reply. Clients have thousands in
/// flight: nats.go sends 4000 messages to JetStream before it waits for the first acknowledgement.
const MAX_BEFORE_REPLY: u16 = 4096;

/// How many PINGs of the server a subject outlives. They are minutes apart.
const MAX_AGE: u8 = 2;

/// A set of subjects, in the order in which they were sent.
///
/// Nothing on the wire shows that a request has timed out, or that a subscriber ignores the reply subject of a
/// message. So a subject is dropped when a reply is no longer likely.
#[derive(Debug, Default)]
pub(super) struct PendingReplies {
    subjects: VecDeque<Subject>,
    /// A reply was seen.
    has_replies: bool,
    /// How many subjects there were before the first reply.
    before_reply: u16,
}

#[derive(Clone, Copy, Debug)]
struct Subject {
    hash: u64,
    /// How many later subjects got their reply.
    passed: u16,
    age: u8,
}

impl PendingReplies {
    pub(super) fn is_empty(&self) -> bool {
        let is_ignored = !self.has_replies && self.before_reply > MAX_BEFORE_REPLY;
        is_ignored || self.subjects.is_empty()
    }

    pub(super) fn insert(&mut self, hash: u64) {
        self.before_reply = self.before_reply.saturating_add(1);
        if self.subjects.len() >= MAX_SUBJECTS {
            self.subjects.pop_front();
        }
        self.subjects.push_back(Subject {
            hash,
            passed: 0,
            age: 0,
        });
    }

    /// Applies a message on a subject, which may be a pending reply.
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
        self.has_replies = true;
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
