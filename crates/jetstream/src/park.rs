//! What waits until something was read from disk.
//!
//! Invariant: whoever waits is in the order in which it came; behind the first one that waits, all wait.

use std::collections::VecDeque;

use crate::{input::Request, messages::Fetch, packet::Packet};

/// Something that a stream is to do.
#[derive(Debug)]
pub(crate) enum Task {
    Publish(Packet),
    Request(Request),
    Ack(Packet),
    /// A consumer of this name has a listener, or has none.
    Interest(Box<str>, bool),
    /// Look at what became too old.
    Age,
    /// Call consumers whose time has come.
    Tick,
}

/// Tasks of one stream that wait.
#[derive(Debug, Default)]
pub(crate) struct Park {
    tasks: VecDeque<Task>,
    /// What was asked for and did not come yet.
    fetch: Option<Fetch>,
}

impl Park {
    /// Something was asked for and did not come yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.fetch.is_some()
    }

    /// Behind all that wait.
    pub(crate) fn push(&mut self, task: Task) {
        self.tasks.push_back(task);
    }

    /// Before all that wait: it was tried and has to read something.
    pub(crate) fn push_front(&mut self, task: Task) {
        self.tasks.push_front(task);
    }

    pub(crate) fn pop(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    /// Notes what is asked for; says whether it must be.
    pub(crate) fn wait_for(&mut self, fetch: &Fetch) -> bool {
        let is_new = self.fetch.as_ref() != Some(fetch);
        self.fetch = Some(fetch.clone());
        is_new
    }

    /// Something was read; says whether it is what was asked for last.
    pub(crate) fn fetched(&mut self, fetch: &Fetch) -> bool {
        let is_it = self.fetch.as_ref() == Some(fetch);
        if is_it {
            self.fetch = None;
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_read_comes_first_when_it_was_read() {
        let mut park = Park::default();
        park.push(Task::Age);
        park.push(Task::Tick);
        let first = park.pop().expect("it was pushed");
        park.push_front(first);
        assert!(!park.is_waiting());
        assert!(matches!(park.pop(), Some(Task::Age)));
        assert!(matches!(park.pop(), Some(Task::Tick)));
        assert!(park.pop().is_none());
    }
}
