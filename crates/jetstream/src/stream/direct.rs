//! Direct gets: messages as they are stored, with headers that say where, one or many.
//!
//! ```text
//!   one      {"seq":7}                         the message, or 404 Message Not Found
//!   batch    {"seq":7,"batch":3}               messages, then 204 EOB
//!   last     {"multi_last":["a.*"]}            the last of each subject, then 204 EOB; 404 No Results, 413 Too Many Results
//!   subject  $JS.API.DIRECT.GET.S.a.b          the last of this subject
//! ```

use firn_api::{json, names, stream::DirectGetRequest};
use firn_auth::account::AccountId;
use firn_subject::subject;
use firn_wire::header;

use super::{
    Stream,
    get::{Wanted, filter_of},
};
use crate::{
    messages::{Fetch, Filter, Message, ready},
    packet::Packet,
    shard::Turn,
};

/// Subjects in one answer.
const SUBJECTS_MAX: usize = 1_024;

/// Bytes in one answer, where the request names no bound.
const BYTES_MAX: i128 = 64 << 20;

/// A status and its text.
type Status = (u16, &'static str);

const EMPTY: Status = (408, "Empty Request");
const MALFORMED: Status = (408, "Malformed Request");
const BAD: Status = (408, "Bad Request");
const NOT_FOUND: Status = (404, "Message Not Found");
const NO_RESULTS: Status = (404, "No Results");
const TOO_MANY: Status = (413, "Too Many Results");
const LEVEL: Status = (412, "Required Api Level");

/// What goes where.
struct Answer<'t, 'e> {
    turn: &'t mut Turn<'e>,
    account: AccountId,
    reply: &'t [u8],
}

/// What stands in the headers of a message that is one of several.
#[derive(Clone, Copy)]
struct Place {
    pending: u64,
    last: u64,
}

impl Stream {
    /// Answers a direct get; `of_subject` is what follows the stream's name in the subject of the request.
    ///
    /// # Errors
    /// What has to be read first; nothing was answered.
    pub(crate) fn direct_get(
        &self,
        turn: &mut Turn<'_>,
        account: AccountId,
        packet: &Packet,
        of_subject: Option<&str>,
    ) -> Result<(), Fetch> {
        if packet.reply().is_empty() {
            return Ok(());
        }
        let request = parse(packet, of_subject);
        let mut answer = Answer { turn, account, reply: packet.reply() };
        match request {
            Err(status) => self.say(&mut answer, status),
            Ok(request) if !request.multi_last.is_empty() => self.get_last_of_each(&mut answer, &request)?,
            Ok(request) if request.batch != 0 => self.get_batch(&mut answer, &request)?,
            Ok(request) => match self.find(self.wanted(&request)?)? {
                Some(message) => self.send(&mut answer, &message, None, request.no_hdr),
                None => self.say(&mut answer, NOT_FOUND),
            },
        }
        Ok(())
    }

    fn get_batch(&self, answer: &mut Answer<'_, '_>, request: &DirectGetRequest) -> Result<(), Fetch> {
        let wanted = self.wanted(request)?;
        let (from, pattern) = match wanted {
            Wanted::Next { from, pattern } => (from, pattern),
            Wanted::Sequence(from) => (from, ""),
            Wanted::Last(_) => return self.say_only(answer, BAD),
        };
        let Some(filter) = filter_of(pattern) else { return self.say_only(answer, NOT_FOUND) };
        let total = ready(self.messages.count(from, &filter))?;
        let Some(first) = ready(self.messages.next(from, &filter))? else { return self.say_only(answer, NOT_FOUND) };
        let mut chosen = Vec::new();
        let (mut next, mut room) = (Some(first), Room::of(request));
        for _ in 0..request.batch.max(0) {
            let Some(sequence) = next.filter(|_| room.is_left()) else { break };
            if let Some(message) = self.message(sequence)? {
                room.take(&message);
                chosen.push(message);
            }
            next = ready(self.messages.next(sequence + 1, &filter))?;
        }
        let mut place = Place { pending: total, last: 0 };
        for message in &chosen {
            place.pending = place.pending.saturating_sub(1);
            self.send(answer, message, Some(place), request.no_hdr);
            place.last = message.sequence();
        }
        // Without headers nothing is counted down.
        let pending = if request.no_hdr { total } else { place.pending };
        self.end(answer, Place { pending, ..place }, None);
        Ok(())
    }

    fn get_last_of_each(&self, answer: &mut Answer<'_, '_>, request: &DirectGetRequest) -> Result<(), Fetch> {
        let patterns = request.multi_last.iter().filter(|pattern| subject::is_valid_pattern(pattern.as_bytes()));
        let patterns: Vec<&String> = patterns.collect();
        let up_to = match (request.up_to_seq, request.up_to_time) {
            (0, None) => self.last_sequence(),
            (0, Some(time)) => match time.timestamp() {
                Some(time) => ready(self.messages.at_time(time))?.map_or(self.last_sequence(), |first| first - 1),
                None => 0,
            },
            (sequence, _) => sequence,
        };
        if patterns.is_empty() || up_to == 0 || up_to > self.last_sequence() {
            return self.say_only(answer, NO_RESULTS);
        }
        let found = ready(self.messages.last_per_subject(&Filter::new(patterns), Some(up_to)))?;
        if found.len() > SUBJECTS_MAX {
            return self.say_only(answer, TOO_MANY);
        }
        let from = request.seq;
        let found: Vec<u64> = found.into_iter().filter(|&sequence| sequence >= from).collect();
        if found.is_empty() {
            return self.say_only(answer, NO_RESULTS);
        }
        let limit = usize::try_from(request.batch).ok().filter(|&batch| batch > 0).unwrap_or(usize::MAX);
        let (mut chosen, mut room) = (Vec::new(), Room::of(request));
        for &sequence in found.iter().take(limit) {
            if !room.is_left() {
                break;
            }
            if let Some(message) = self.message(sequence)? {
                room.take(&message);
                chosen.push(message);
            }
        }
        let mut place = Place { pending: u64::try_from(found.len()).expect("a length fits"), last: 0 };
        for message in &chosen {
            place.pending = place.pending.saturating_sub(1);
            self.send(answer, message, Some(place), false);
            place.last = message.sequence();
        }
        self.end(answer, place, Some(up_to));
        Ok(())
    }

    fn send(&self, answer: &mut Answer<'_, '_>, message: &Message, place: Option<Place>, is_bare: bool) {
        let headers = |out: &mut Vec<u8>| {
            if is_bare {
                return;
            }
            let (subject, sequence) = (message.subject(), message.sequence());
            let mut block = self.described(out, message.headers(), subject, sequence, message.time());
            if let Some(place) = place {
                let _ = block.field(b"Nats-Num-Pending", place.pending.to_string().as_bytes());
                let _ = block.field(b"Nats-Last-Sequence", place.last.to_string().as_bytes());
            }
            block.finish();
        };
        let body = |out: &mut Vec<u8>| out.extend_from_slice(message.body());
        answer.turn.effects.publish_with(self.after(), answer.account, answer.reply, headers, body);
    }

    /// That is the whole answer.
    fn say_only(&self, answer: &mut Answer<'_, '_>, status: Status) -> Result<(), Fetch> {
        self.say(answer, status);
        Ok(())
    }

    fn say(&self, answer: &mut Answer<'_, '_>, status: Status) {
        self.say_with(answer, status, &[]);
    }

    fn end(&self, answer: &mut Answer<'_, '_>, place: Place, up_to: Option<u64>) {
        let (pending, last) = (place.pending.to_string(), place.last.to_string());
        let up_to = up_to.map(|up_to| up_to.to_string());
        let mut fields = vec![("Nats-Num-Pending", pending.as_str()), ("Nats-Last-Sequence", last.as_str())];
        fields.extend(up_to.as_deref().map(|up_to| ("Nats-UpTo-Sequence", up_to)));
        self.say_with(answer, (204, "EOB"), &fields);
    }

    fn say_with(&self, answer: &mut Answer<'_, '_>, (code, text): Status, fields: &[(&str, &str)]) {
        let headers = |out: &mut Vec<u8>| {
            let mut block = header::Builder::with_status(out, code, text.as_bytes()).expect("a status of ours");
            for (key, value) in fields {
                let _ = block.field(key.as_bytes(), value.as_bytes());
            }
            block.finish();
        };
        answer.turn.effects.publish_with(self.after(), answer.account, answer.reply, headers, |_| {});
    }
}

/// The request, if it is one.
fn parse(packet: &Packet, of_subject: Option<&str>) -> Result<DirectGetRequest, Status> {
    let level = header::find(packet.headers(), names::REQUIRED_LEVEL_HEADER.as_bytes()).unwrap_or_default();
    if !std::str::from_utf8(level).is_ok_and(names::reaches_level) {
        return Err(LEVEL);
    }
    if packet.body().is_empty() && of_subject.is_none() {
        return Err(EMPTY);
    }
    let mut request = DirectGetRequest::default();
    if !packet.body().is_empty() {
        request = json::read(packet.body()).map_err(|_| MALFORMED)?;
    }
    if let Some(of_subject) = of_subject {
        let only = DirectGetRequest { no_hdr: request.no_hdr, ..DirectGetRequest::default() };
        if request != only {
            return Err(BAD);
        }
        return Ok(DirectGetRequest { last_by_subj: of_subject.to_owned(), ..only });
    }
    let has_last = !request.last_by_subj.is_empty();
    let has_next = !request.next_by_subj.is_empty();
    let has_start = request.seq > 0 || request.start_time.is_some();
    if request.multi_last.is_empty() {
        if !has_start && !has_last && !has_next {
            return Err(EMPTY);
        }
        let is_double = request.seq > 0 && request.start_time.is_some();
        if is_double || (has_last && (has_start || has_next || request.batch != 0)) {
            return Err(BAD);
        }
    } else if has_last || has_next || (request.up_to_seq > 0 && request.up_to_time.is_some()) {
        return Err(BAD);
    }
    Ok(request)
}

/// What is left of the bytes that a request asks for. The message that reaches the bound is the last one.
struct Room {
    bytes_left: i128,
}

impl Room {
    fn of(request: &DirectGetRequest) -> Self {
        let bytes_max = if request.max_bytes == 0 { BYTES_MAX } else { request.max_bytes as i128 };
        Room { bytes_left: bytes_max.max(1) }
    }

    fn is_left(&self) -> bool {
        self.bytes_left > 0
    }

    fn take(&mut self, message: &Message) {
        let bytes = message.subject().len() + message.headers().len() + message.body().len();
        self.bytes_left -= i128::try_from(bytes).expect("a length fits");
    }
}
