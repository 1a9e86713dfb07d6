//! Lists that are gathered from several shards.

use std::collections::BTreeMap;

use firn_api::stream::StreamInfo;
use firn_store::wal::GroupId;

use crate::{effect::After, input::Request};

#[derive(Debug, Default)]
pub(crate) struct Questions {
    last: u64,
    open: BTreeMap<u64, Question>,
}

#[derive(Debug)]
struct Question {
    request: Request,
    /// Shards that have not answered.
    missing: usize,
    streams: BTreeMap<GroupId, StreamInfo>,
    after: After,
}

/// An answered question: who asked, what there is, and what showing it waits for.
type Answered = (Request, BTreeMap<GroupId, StreamInfo>, After);

impl Questions {
    /// Begins a question to so many shards.
    pub(crate) fn ask(&mut self, request: Request, shards: usize) -> u64 {
        self.last += 1;
        let question = Question { request, missing: shards, streams: BTreeMap::new(), after: After::Nothing };
        self.open.insert(self.last, question);
        self.last
    }

    /// Takes one shard's answer; the last one ends the question.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        streams: Vec<(GroupId, StreamInfo)>,
        after: After,
    ) -> Option<Answered> {
        let question = self.open.get_mut(&number)?;
        question.streams.extend(streams);
        question.after = question.after.max(after);
        question.missing -= 1;
        if question.missing > 0 {
            return None;
        }
        let Question { request, streams, after, .. } = self.open.remove(&number)?;
        Some((request, streams, after))
    }
}
