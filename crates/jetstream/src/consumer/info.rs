//! How a consumer is.

use firn_api::{
    consumer::{ConsumerInfo, PriorityGroupState, PriorityPolicy, SequenceInfo},
    time::Time,
};
use firn_id::Timestamp;

use super::{Consumer, state::Place, turn::Turn};
use crate::messages::{Access, Fetch};

impl Consumer {
    /// How it is: exact, but for who carries it and what its server adds to the configuration.
    pub fn info(&mut self, turn: &mut Turn<'_>) -> Access<ConsumerInfo> {
        self.begin(turn);
        match self.describe(turn) {
            Ok(info) => Access::Ready(info),
            Err(fetch) => Access::Cold(fetch),
        }
    }

    /// Messages before it that were not sent yet.
    pub fn pending(&mut self, turn: &mut Turn<'_>) -> Access<u64> {
        self.begin(turn);
        match self.count_pending(turn) {
            Ok(count) => Access::Ready(count),
            Err(fetch) => Access::Cold(fetch),
        }
    }

    fn describe(&mut self, turn: &mut Turn<'_>) -> Result<ConsumerInfo, Fetch> {
        self.settle(turn);
        self.waiting.drop_unheard(turn);
        let state = &self.state;
        let count = |number: usize| isize::try_from(number).unwrap_or(isize::MAX);
        let info = ConsumerInfo {
            stream_name: self.stream.clone(),
            name: self.name.clone(),
            created: self.created.into(),
            config: Some(state.config.clone()),
            delivered: place(state.delivered, state.delivered_at),
            ack_floor: place(state.floor, state.acknowledged_at),
            num_ack_pending: count(state.pending.len()),
            num_redelivered: count(state.pending.redelivered()),
            num_waiting: count(self.waiting.len()),
            num_pending: 0,
            cluster: None,
            push_bound: self.push.is_bound,
            paused: self.is_paused(turn.now),
            pause_remaining: self.pause_remaining(turn.now),
            ts: turn.now.wall.into(),
            priority_groups: self.groups(),
        };
        Ok(ConsumerInfo { num_pending: self.count_pending(turn)?, ..info })
    }

    fn groups(&self) -> Vec<PriorityGroupState> {
        let config = &self.state.config;
        if config.priority_policy == PriorityPolicy::None {
            return Vec::new();
        }
        let pinned = self.pin.pinned();
        let state = |group: &String| PriorityGroupState {
            group: group.clone(),
            pinned_client_id: pinned.map(|pinned| pinned.id.clone()).unwrap_or_default(),
            pinned_ts: pinned.map(|pinned| pinned.since.into()).unwrap_or_default(),
        };
        config.priority_groups.first().map(state).into_iter().collect()
    }
}

fn place(place: Place, at: Option<Timestamp>) -> SequenceInfo {
    SequenceInfo { consumer_seq: place.number, stream_seq: place.sequence, last_active: at.map(Time::from) }
}
