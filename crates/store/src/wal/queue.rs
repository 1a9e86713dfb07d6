//! Records that were submitted and are not in a batch yet, in the order of their positions.

use std::collections::VecDeque;

use super::batch::{Run, batch_bytes};
use super::number::size;
use super::record::Submission;

/// Submissions, the first of which may be used in part.
#[derive(Debug, Default)]
pub(super) struct Queue {
    submissions: VecDeque<Queued>,
    /// Bytes of all records that wait.
    bytes: usize,
}

#[derive(Debug)]
struct Queued {
    submission: Submission,
    /// Records that went into earlier batches, and their bytes.
    taken: Load,
}

/// How much of a queue goes into a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) count: usize,
    pub(super) record_bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, submission: Submission) {
        self.bytes += submission.bytes();
        self.submissions.push_back(Queued { submission, taken: Load::default() });
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.submissions.is_empty()
    }

    /// As many records from the front as fit into a batch of `batch_bytes_max`, but at least one where there is one.
    pub(super) fn next_load(&self, batch_bytes_max: usize) -> Load {
        let mut load = Load::default();
        for entry in self.submissions.iter().flat_map(|queued| queued.left().entries) {
            let more = Load { count: load.count + 1, record_bytes: load.record_bytes + size(entry.bytes) };
            let fits = batch_bytes(more.count, more.record_bytes).is_some_and(|bytes| bytes <= batch_bytes_max);
            if !fits && load.count > 0 {
                break;
            }
            load = more;
            if !fits {
                break;
            }
        }
        load
    }

    /// The first `count` records.
    pub(super) fn runs(&self, count: usize) -> impl Iterator<Item = Run<'_>> {
        let mut missing = count;
        self.submissions.iter().map_while(move |queued| {
            let run = queued.left().first(missing);
            missing -= run.entries.len();
            (!run.entries.is_empty()).then_some(run)
        })
    }

    /// Forgets the first `count` records.
    pub(super) fn remove(&mut self, count: usize) {
        let mut missing = count;
        while missing > 0 {
            let front = self.submissions.front_mut().expect("a load is taken from what is there");
            let run = front.left().first(missing);
            let (entries, record_bytes) = (run.entries.len(), run.records.len());
            front.taken.count += entries;
            front.taken.record_bytes += record_bytes;
            self.bytes -= record_bytes;
            missing -= entries;
            if front.taken.count == front.submission.count() {
                self.submissions.pop_front();
            }
        }
    }
}

impl Queued {
    fn left(&self) -> Run<'_> {
        Run {
            entries: self.submission.entries().get(self.taken.count..).unwrap_or_default(),
            records: self.submission.encoded().get(self.taken.record_bytes..).unwrap_or_default(),
        }
    }
}

impl<'a> Run<'a> {
    fn first(self, count: usize) -> Run<'a> {
        let entries = self.entries.get(..count).unwrap_or(self.entries);
        let record_bytes = entries.iter().map(|entry| size(entry.bytes)).sum();
        Run { entries, records: self.records.get(..record_bytes).expect("entries describe the records") }
    }
}

#[cfg(test)]
mod tests {
    //! How submissions are cut into batches.

    use super::super::record::{Extension, GroupId, Name, Record};
    use super::*;

    fn submission(payload_bytes: &[usize]) -> Submission {
        let mut submission = Submission::new();
        for (sequence, length) in (1..).zip(payload_bytes) {
            let payload = vec![7; *length];
            let name = Name { group: GroupId(1), sequence, count: 1 };
            submission.push(&Record { name, kind: 0, extension: Extension::default(), payload: &payload }).unwrap();
        }
        submission
    }

    #[track_caller]
    fn check(submissions: &[&[usize]], expected_counts: &[usize]) {
        let mut queue = Queue::default();
        submissions.iter().for_each(|lengths| queue.push(submission(lengths)));
        let mut counts = Vec::new();
        while !queue.is_empty() {
            let load = queue.next_load(8192);
            let (entries, bytes) = queue
                .runs(load.count)
                .fold((0, 0), |(entries, bytes), run| (entries + run.entries.len(), bytes + run.records.len()));
            assert_eq!((entries, bytes), (load.count, load.record_bytes));
            queue.remove(load.count);
            counts.push(load.count);
        }
        assert_eq!(queue.bytes(), 0);
        assert_eq!(counts, expected_counts);
    }

    #[test]
    fn a_batch_is_filled_across_submissions() {
        check(&[&[100], &[100, 100], &[100]], &[4]);
        check(&[&[3000, 3000, 3000], &[3000, 100]], &[2, 3]);
    }

    #[test]
    fn a_record_longer_than_a_batch_goes_alone() {
        check(&[&[100], &[20_000], &[100]], &[1, 1, 1]);
    }
}
