//! `CONSUMER.MSG.NEXT`: what a puller may ask for, and its place in the queue.

use std::io::Write as _;

use firn_api::{
    consumer::{NextRequest, PriorityPolicy},
    json, names,
};
use firn_wire::header;

use super::{
    Consumer,
    turn::{Pull, Turn},
    waiting::Request,
};

impl Consumer {
    /// Somebody asks for messages. They are sent with [`Consumer::finish`], a refusal at once.
    pub fn pull(&mut self, turn: &mut Turn<'_>, pull: Pull<'_>) {
        self.begin(turn);
        self.active_at = turn.now.monotonic;
        if let Some(level) = header::find(pull.headers, names::REQUIRED_LEVEL_HEADER.as_bytes())
            && !std::str::from_utf8(level).is_ok_and(names::reaches_level)
        {
            return refuse(turn, pull.reply, format_args!("412 Required Api Level"));
        }
        let request = match NextRequest::parse(pull.body) {
            Ok(request) => request,
            Err(error) => return refuse(turn, pull.reply, format_args!("400 Bad Request - {error}")),
        };
        if self.state.config.is_push() {
            return refuse(turn, pull.reply, format_args!("409 Consumer is push based"));
        }
        if let Err(text) = self.check_request(&request, json::is_json(pull.body)) {
            return refuse(turn, pull.reply, format_args!("{text}"));
        }
        self.queue(turn, pull.reply, request);
    }

    /// The rest of a pull, which is also all that is looked at where an acknowledgement asks for more.
    pub(super) fn queue(&mut self, turn: &mut Turn<'_>, reply: &[u8], request: NextRequest) {
        if reply.is_empty() {
            return;
        }
        if !request.id.is_empty() {
            if self.pin.pinned().is_some() && self.pin.is_wrong(Some(&request.id)) {
                return refuse(turn, reply, format_args!("423 Nats-Pin-Id mismatch"));
            }
            self.pin.renew(&request.id, turn.now.monotonic);
        }
        if self.waiting.len() >= self.state.rules.waiting_max {
            // Perhaps those before it are done, or gone.
            self.is_hungry_for_turn = self.deliver(turn);
            self.waiting.drop_unheard(turn);
        }
        if self.waiting.len() >= self.state.rules.waiting_max {
            if request.idle_heartbeat.0 <= 0 {
                refuse(turn, reply, format_args!("409 Exceeded MaxWaiting"));
            }
            return;
        }
        if request.no_wait && self.is_spoken_for(turn) {
            return refuse(turn, reply, format_args!("408 Requests Pending"));
        }
        self.waiting.add(Request::new(reply, request, turn.now.monotonic), self.state.rules.priority);
        self.is_hungry_for_turn = true;
    }

    /// There are messages that cannot be sent now, and others wait for all of them.
    fn is_spoken_for(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        self.is_hungry_for_turn = self.deliver(turn);
        // What has to be read first is there.
        let unsent = self.count_pending(turn).unwrap_or(u64::MAX);
        let pending = unsent.saturating_add(self.redelivery.ready() as u64);
        pending > 0 && !self.waiting.is_empty() && self.waiting.wanted() >= pending
    }

    /// The first rule that is broken, as its status.
    fn check_request(&self, request: &NextRequest, is_json: bool) -> Result<(), String> {
        let config = &self.state.config;
        if config.max_batch > 0 && request.batch > config.max_batch {
            return Err(format!("409 Exceeded MaxRequestBatch of {}", config.max_batch));
        }
        if config.max_expires.0 > 0 && request.expires > config.max_expires {
            return Err(format!("409 Exceeded MaxRequestExpires of {}", config.max_expires));
        }
        if config.max_bytes > 0 && request.max_bytes > config.max_bytes {
            return Err(format!("409 Exceeded MaxRequestMaxBytes of {}", config.max_bytes));
        }
        let refuse = |text: &str| Err(format!("400 Bad Request - {text}"));
        if !(0..=9).contains(&request.priority) {
            return refuse("Priority must be between 0 and 9");
        }
        let policy = config.priority_policy;
        // Only JSON can name a group.
        if policy != PriorityPolicy::None && is_json {
            if request.group.is_empty() {
                return refuse("Priority Group missing");
            }
            if !config.priority_groups.contains(&request.group) {
                return refuse("Invalid Priority Group");
            }
        }
        if policy != PriorityPolicy::Overflow && (request.min_pending > 0 || request.min_ack_pending > 0) {
            return refuse("Not a Overflow Priority consumer");
        }
        if policy != PriorityPolicy::PinnedClient && !request.id.is_empty() {
            return refuse("Not a Pinned Client Priority consumer");
        }
        Ok(())
    }
}

pub(super) fn refuse(turn: &mut Turn<'_>, reply: &[u8], status: std::fmt::Arguments<'_>) {
    if !reply.is_empty() {
        turn.effects.status(reply, |text| write!(text, "NATS/1.0 {status}\r\n\r\n").expect("memory takes all"));
    }
}
