//! What of a stream may change. Everything that is not refused here may.

use super::{CreateRequest, Discard, Retention, Rules, StreamConfig};
use crate::{error::ApiError, time::Nanos};

impl CreateRequest {
    /// The configuration that an existing stream shall get, complete. `name` is the one in the subject of the request.
    /// Whether the stream exists is asked next, and then [`StreamConfig::check_change`].
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check_update(self, name: &str, rules: &Rules<'_>) -> Result<StreamConfig, ApiError> {
        let mut config = self.config.check(&Rules { is_pedantic: self.pedantic, ..*rules })?;
        if config.name != name {
            return Err(ApiError::StreamMismatch);
        }
        config.stamp();
        Ok(config)
    }
}

impl StreamConfig {
    /// The configuration as it will be, if `old`, which is complete, may become it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check_change(self, old: &StreamConfig, rules: &Rules<'_>) -> Result<StreamConfig, ApiError> {
        let mut new = self.check(rules)?;
        if new.name != old.name {
            return Err(ApiError::invalid_config("stream configuration name must match original"));
        }
        new.check_replicas(rules)?;
        if new.storage != old.storage {
            return Err(ApiError::invalid_config("stream configuration update can not change storage type"));
        }
        if new.retention != old.retention && [new.retention, old.retention].contains(&Retention::WorkQueue) {
            let text = "stream configuration update can not change retention policy to/from workqueue";
            return Err(ApiError::invalid_config(text));
        }
        check_stays(old.sealed, new.sealed, "stream configuration update can not unseal a sealed stream")?;
        let text = "stream configuration update can not cancel deny message deletes";
        check_stays(old.deny_delete, new.deny_delete, text)?;
        check_stays(old.deny_purge, new.deny_purge, "stream configuration update can not cancel deny purge")?;
        // A mirror may become a stream of its own, and nothing else.
        if new.mirror.is_some() && new.mirror != old.mirror {
            return Err(ApiError::StreamMirrorNotUpdatable);
        }
        check_stays(old.allow_msg_ttl, new.allow_msg_ttl, "message TTL status can not be disabled")?;
        if new.allow_msg_counter != old.allow_msg_counter {
            let text = "stream configuration update can not change message counter setting";
            return Err(ApiError::invalid_config(text));
        }
        check_stays(old.allow_msg_schedules, new.allow_msg_schedules, "message schedules can not be disabled")?;
        if new.persist_mode != old.persist_mode {
            return Err(ApiError::invalid_config("stream configuration update can not change persist mode"));
        }
        new.seal();
        Ok(new)
    }

    /// Nothing comes into a sealed stream and nothing goes out, by age or otherwise.
    fn seal(&mut self) {
        if self.sealed {
            self.max_age = Nanos(0);
            self.discard = Discard::New;
            (self.deny_delete, self.deny_purge, self.allow_rollup_hdrs) = (true, true, false);
        }
    }
}

/// What was said once cannot be taken back.
fn check_stays(old: bool, new: bool, text: &str) -> Result<(), ApiError> {
    if old && !new { Err(ApiError::invalid_config(text)) } else { Ok(()) }
}
