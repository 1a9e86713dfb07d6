//! How a stream is.

use std::collections::BTreeMap;

use firn_api::{
    cluster::ClusterInfo,
    envelope::{Page, SUBJECTS_MAX},
    stream::{InfoRequest, StreamInfo, StreamState},
    time::Time,
};
use firn_subject::subject;

use super::Stream;
use crate::{
    messages::{Fetch, Filter, ready},
    now::Now,
    settings::Settings,
};

/// Subjects that are looked at together.
const SUBJECTS_A_PAGE: usize = 4_096;

/// What an answer tells beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// To whoever made it or changed it: with the server's level and version.
    Changed,
    /// To whoever asks for it: who carries it, too.
    Asked,
    /// In a list: neither.
    Listed,
}

impl Stream {
    /// What it holds, in numbers.
    pub(crate) fn shown_state(&self) -> StreamState {
        let state = self.state();
        let count = |number: u64| isize::try_from(number).unwrap_or(isize::MAX);
        let is_untouched = self.is_untouched();
        StreamState {
            messages: state.messages,
            bytes: state.bytes,
            first_seq: if is_untouched { 0 } else { state.first_sequence },
            first_ts: state.first_time.map(Time::from).unwrap_or_default(),
            last_seq: self.last_sequence(),
            last_ts: self.last_time.map(Time::from).unwrap_or_default(),
            num_subjects: count(state.subjects),
            num_deleted: count(state.deleted),
            consumer_count: isize::try_from(self.consumers.len()).unwrap_or(isize::MAX),
            ..StreamState::default()
        }
    }

    pub(crate) fn info(&self, now: Now, settings: &Settings, shown: Shown) -> StreamInfo {
        let config = self.config.clone();
        let leader = settings.server_name.clone();
        StreamInfo {
            config: if shown == Shown::Listed { config } else { config.shown(&settings.version) },
            created: Time::from(self.created),
            state: self.shown_state(),
            domain: settings.domain.clone(),
            cluster: (shown == Shown::Asked).then(|| ClusterInfo { leader, ..ClusterInfo::default() }),
            ts: Time::from(now.wall),
            ..StreamInfo::default()
        }
    }

    /// Adds what a request asks for by name: gaps, and a page of subjects with their counts.
    ///
    /// # Errors
    /// What has to be read first.
    pub(crate) fn add_details(&self, state: &mut StreamState, request: &InfoRequest) -> Result<Page, Fetch> {
        if request.deleted_details {
            state.deleted = self.messages.deleted(0, usize::MAX);
        }
        if request.subjects_filter.is_empty() {
            return Ok(Page::default());
        }
        let pattern = request.subjects_filter.as_bytes();
        let mut all: Vec<(Box<[u8]>, u64)> = Vec::new();
        if subject::is_valid_pattern(pattern) {
            let filter = Filter::new([pattern]);
            loop {
                let after = all.last().map(|(subject, _)| subject.clone());
                let page = ready(self.messages.subjects(&filter, after.as_deref(), SUBJECTS_A_PAGE))?;
                let is_last = page.len() < SUBJECTS_A_PAGE;
                all.extend(page.into_iter().map(|(subject, state)| (subject, state.count)));
                if is_last {
                    break;
                }
            }
        }
        if all.is_empty() {
            return Ok(Page::default());
        }
        let (page, part) = Page::of(&all, request.offset, SUBJECTS_MAX);
        // Unlike elsewhere, an offset beyond the end is told as it was asked for.
        let page = Page { offset: request.offset.max(0), ..page };
        let named = part.iter().map(|(subject, count)| (String::from_utf8_lossy(subject).into_owned(), *count));
        state.subjects = named.collect::<BTreeMap<_, _>>();
        Ok(page)
    }
}
