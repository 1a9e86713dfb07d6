//! What of a consumer may change. Everything that is not refused here may.

use super::ConsumerConfig;
use crate::error::ApiError;

impl ConsumerConfig {
    /// Takes over, before any check, what a request for a consumer that is there does not change: its pause, and the
    /// start of a durable one that sources, which its follower cannot know.
    pub fn inherit(&mut self, old: &ConsumerConfig) {
        self.pause_until = old.pause_until;
        if self.sourcing && !self.durable_name.is_empty() {
            self.deliver_policy = old.deliver_policy;
            self.opt_start_seq = old.opt_start_seq;
            self.opt_start_time = old.opt_start_time;
        }
    }

    /// May `old` become this? Both are complete. Whether `old` pushes to somebody who listens, the caller knows:
    /// such a target stays.
    ///
    /// # Errors
    /// The first change that is not allowed.
    pub fn check_change(&self, old: &ConsumerConfig, is_bound: bool) -> Result<(), ApiError> {
        let has_other_start = match (&old.opt_start_time, &self.opt_start_time) {
            (Some(old), Some(new)) => !old.is_same_moment(new),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        let fixed = [
            (old.deliver_policy != self.deliver_policy, "deliver policy"),
            (old.mem_storage != self.mem_storage, "storage type"),
            (old.direct != self.direct, "direct"),
            (old.sourcing != self.sourcing, "sourcing"),
            (old.opt_start_seq != self.opt_start_seq, "start sequence"),
            (has_other_start, "start time"),
            (old.ack_policy != self.ack_policy, "ack policy"),
            (old.replay_policy != self.replay_policy, "replay policy"),
            (old.idle_heartbeat != self.idle_heartbeat, "heart beats"),
            (old.flow_control != self.flow_control, "flow control"),
        ];
        if let Some((_, what)) = fixed.iter().find(|(is_changed, _)| *is_changed) {
            return Err(ApiError::ConsumerCreate { err: format!("{what} can not be updated") });
        }
        if old.deliver_subject != self.deliver_subject {
            if !old.is_push() {
                return Err(ApiError::ConsumerCreate { err: "can not update pull consumer to push based".into() });
            }
            if !self.is_push() {
                return Err(ApiError::ConsumerCreate { err: "can not update push consumer to pull based".into() });
            }
            if is_bound {
                return Err(ApiError::ConsumerNameExist);
            }
        }
        if old.max_waiting != self.max_waiting {
            return Err(ApiError::ConsumerCreate { err: "max waiting can not be updated".into() });
        }
        self.check_backoff()
    }

    /// Is this what a client that makes a consumer anew may mean by `old`? What servers wrote does not count.
    pub fn is_same(&self, old: &ConsumerConfig) -> bool {
        let mut new = self.clone();
        new.metadata.clone_from(&old.metadata);
        let mut metadata = [self.metadata.clone(), old.metadata.clone()];
        metadata.iter_mut().for_each(crate::names::unstamp);
        let [ours, theirs] = metadata;
        new == *old && ours == theirs
    }
}
