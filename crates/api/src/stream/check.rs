//! The rules of a stream's configuration, in the reference server's order: the first that is broken is the answer.
//!
//! Where a field says nothing, its default is put in; where a field can only mean one thing, it is mended. A pedantic
//! client wants to hear of the second instead. Counting bytes and streams against an account comes after all this and
//! is not here; nor is what other streams listen to.

use std::collections::{BTreeSet, VecDeque};

use firn_subject::{mapping::Transform, pattern, subject};

use super::{
    CreateRequest, Discard, External, PersistMode, Retention, SourceConsumer, Storage, StreamConfig, StreamSource,
    SubjectTransform,
};
use crate::{
    account::{AccountLimits, ServerLimits},
    cluster::Placement,
    error::ApiError,
    json::quote,
    names,
    time::Nanos,
};

/// Servers that may carry a stream.
const REPLICAS_MAX: isize = 5;

/// How long ids are remembered where nothing is said.
const DUPLICATE_WINDOW: Nanos = Nanos::from_secs(120);

/// Neither an age nor a window may be shorter.
const SPAN_MIN: Nanos = Nanos::from_millis(100);

/// What a check may look up.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Bounds for all accounts.
    pub server: &'a ServerLimits,
    /// Bounds of the stream's account, or of its tier.
    pub account: &'a AccountLimits,
    /// Refuse instead of mending.
    pub is_pedantic: bool,
    /// The server has peers, so that a stream may have replicas.
    pub is_clustered: bool,
    /// The other streams of the account, by name.
    pub find: &'a dyn Fn(&str) -> Option<&'a StreamConfig>,
}

/// What mirror and sources bring along.
#[derive(Default)]
struct Origins {
    /// Subjects of those that can be seen.
    subjects: Vec<String>,
    deliver_prefixes: Vec<String>,
    api_prefixes: Vec<String>,
}

/// Which stream a source is, how it is reached, and what is taken from it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Identity<'a> {
    name: &'a str,
    api_prefix: Option<&'a str>,
    consumer: Option<&'a str>,
    /// Patterns and what becomes of them.
    taken: Vec<(&'a str, &'a str)>,
}

impl CreateRequest {
    /// The configuration of the stream to make, complete. `name` is the one in the subject of the request.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(mut self, name: &str, rules: &Rules<'_>) -> Result<StreamConfig, ApiError> {
        self.config.stamp();
        if self.config.name != name {
            return Err(ApiError::StreamMismatch);
        }
        if names::has_path_separator(name) {
            return Err(ApiError::StreamNameContainsPathSeparators);
        }
        if self.config.sealed {
            return Err(ApiError::invalid_config("stream configuration for create can not be sealed"));
        }
        if self.config.mirror_direct && self.config.mirror.is_none() {
            return Err(ApiError::invalid_config("stream has no mirror but does have mirror direct"));
        }
        let config = self.config.check(&Rules { is_pedantic: self.pedantic, ..*rules })?;
        config.check_replicas(rules)?;
        config.check_filters()?;
        Ok(config)
    }
}

impl StreamConfig {
    /// The configuration, complete: what both a new stream and a changed one must satisfy.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(mut self, rules: &Rules<'_>) -> Result<StreamConfig, ApiError> {
        self.check_sizes()?;
        self.complete_numbers(rules)?;
        self.complete_spans(rules)?;
        self.check_features()?;
        self.complete_markers_and_schedules(rules)?;
        self.check_persist_mode()?;
        let mut origins = Origins::default();
        self.check_mirror(rules, &mut origins)?;
        self.check_sources(rules, &mut origins)?;
        origins.check()?;
        self.check_cycle(rules)?;
        self.check_subjects()?;
        self.check_bytes(rules)?;
        self.check_transform()?;
        self.complete_republish(rules)?;
        self.complete_placement()?;
        Ok(self)
    }

    fn check_sizes(&self) -> Result<(), ApiError> {
        if !names::is_valid(&self.name) {
            let text = r"stream name is required and can not contain '.', '*', '>', '\', '/'";
            return Err(ApiError::invalid_config(text));
        }
        if self.name.len() > names::NAME_BYTES_MAX {
            let max = names::NAME_BYTES_MAX;
            return Err(ApiError::invalid_config(format!("stream name is too long, maximum allowed is {max}")));
        }
        if self.description.len() > names::DESCRIPTION_BYTES_MAX {
            let max = names::DESCRIPTION_BYTES_MAX;
            return Err(ApiError::invalid_config(format!("stream description is too long, maximum allowed is {max}")));
        }
        if names::metadata_bytes(&self.metadata) > names::METADATA_BYTES_MAX {
            let max = names::METADATA_BYTES_MAX;
            return Err(ApiError::invalid_config(format!("stream metadata exceeds maximum size of {max} bytes")));
        }
        Ok(())
    }

    fn complete_numbers(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        if self.num_replicas == 0 {
            self.num_replicas = 1;
        }
        if self.num_replicas > REPLICAS_MAX {
            return Err(ApiError::invalid_config(format!("maximum replicas is {REPLICAS_MAX}")));
        }
        if self.num_replicas < 0 {
            return Err(ApiError::ReplicasCountCannotBeNegative);
        }
        complete_limit(&mut self.max_msgs, "max_msgs", rules)?;
        complete_limit(&mut self.max_msgs_per_subject, "max_msgs_per_subject", rules)?;
        complete_limit(&mut self.max_bytes, "max_bytes", rules)?;
        complete_limit(&mut self.max_msg_size, "max_msg_size", rules)?;
        complete_limit(&mut self.max_consumers, "max_consumers", rules)
    }

    fn complete_spans(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let zero = Nanos(0);
        if self.max_age < zero {
            return Err(ApiError::invalid_config("max age can not be negative"));
        }
        if self.max_age != zero && self.max_age < SPAN_MIN {
            return Err(ApiError::invalid_config("max age needs to be >= 100ms"));
        }
        if self.duplicate_window == zero && self.mirror.is_none() && self.sources.is_empty() {
            self.duplicate_window = self.default_window(rules)?;
        }
        if self.duplicate_window < zero {
            return Err(ApiError::invalid_config("duplicates window can not be negative"));
        }
        if self.max_age != zero && self.duplicate_window > self.max_age {
            return Err(ApiError::invalid_config("duplicates window can not be larger then max age"));
        }
        let limit = rules.server.duplicate_window;
        if limit > zero && self.duplicate_window > limit {
            let text = format!("duplicates window can not be larger then server limit of {limit}");
            return Err(ApiError::invalid_config(text));
        }
        if self.duplicate_window > zero && self.duplicate_window < SPAN_MIN {
            return Err(ApiError::invalid_config("duplicates window needs to be >= 100ms"));
        }
        Ok(())
    }

    fn default_window(&self, rules: &Rules<'_>) -> Result<Nanos, ApiError> {
        let mut window = DUPLICATE_WINDOW;
        let limit = rules.server.duplicate_window;
        if limit > Nanos(0) && limit < window {
            rules.mend("duplicate window limits are higher than current limits")?;
            window = limit;
        }
        if self.max_age != Nanos(0) && self.max_age < window {
            rules.mend("duplicate window cannot be bigger than max age")?;
            window = self.max_age;
        }
        Ok(window)
    }

    fn check_features(&self) -> Result<(), ApiError> {
        if self.deny_purge && self.allow_rollup_hdrs {
            return Err(ApiError::invalid_config("roll-ups require the purge permission"));
        }
        if self.allow_msg_counter {
            if self.discard == Discard::New {
                return Err(ApiError::invalid_config("counter stream cannot use discard new"));
            }
            if self.allow_msg_ttl {
                return Err(ApiError::invalid_config("counter stream cannot use message TTLs"));
            }
            if self.allow_msg_schedules {
                return Err(ApiError::invalid_config("counter stream cannot use message schedules"));
            }
            if self.retention != Retention::Limits {
                return Err(ApiError::invalid_config("counter stream can only use limits retention"));
            }
        }
        if self.discard_new_per_subject {
            if self.discard != Discard::New {
                let text = "discard new per subject requires discard new policy to be set";
                return Err(ApiError::invalid_config(text));
            }
            if self.max_msgs_per_subject <= 0 {
                return Err(ApiError::invalid_config("discard new per subject requires max msgs per subject > 0"));
            }
        }
        Ok(())
    }

    /// Markers and schedules replace what is there, so that both need roll-ups, and roll-ups need purges.
    fn complete_markers_and_schedules(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let refuse = |text: &str| if rules.is_pedantic { Err(ApiError::invalid_config(text)) } else { Ok(()) };
        if self.subject_delete_marker_ttl < Nanos(0) {
            return Err(ApiError::invalid_config("subject delete marker TTL must not be negative"));
        }
        if self.subject_delete_marker_ttl > Nanos(0) {
            if self.subject_delete_marker_ttl < Nanos::from_secs(1) {
                return Err(ApiError::invalid_config("subject delete marker TTL must be at least 1 second"));
            }
            if !self.allow_msg_ttl {
                refuse("subject delete marker cannot be set if message TTLs are disabled")?;
                self.allow_msg_ttl = true;
            }
            if !self.allow_rollup_hdrs {
                refuse("subject delete marker cannot be set if roll-ups are disabled")?;
                (self.allow_rollup_hdrs, self.deny_purge) = (true, false);
            }
        }
        if self.allow_msg_schedules {
            if self.discard == Discard::New {
                return Err(ApiError::invalid_config("message scheduling cannot use discard new"));
            }
            if !self.allow_rollup_hdrs {
                refuse("message scheduling cannot be set if roll-ups are disabled")?;
                (self.allow_rollup_hdrs, self.deny_purge) = (true, false);
            }
        }
        Ok(())
    }

    fn check_persist_mode(&self) -> Result<(), ApiError> {
        if self.persist_mode != PersistMode::Async {
            return Ok(());
        }
        if self.storage != Storage::File {
            return Err(ApiError::invalid_config("async persist mode is only supported on file storage"));
        }
        if self.num_replicas > 1 {
            return Err(ApiError::invalid_config("async persist mode is not supported on replicated streams"));
        }
        if self.allow_atomic {
            return Err(ApiError::invalid_config("async persist mode is not supported with atomic batch publish"));
        }
        Ok(())
    }

    fn check_mirror(&mut self, rules: &Rules<'_>, origins: &mut Origins) -> Result<(), ApiError> {
        let Some(mirror) = &self.mirror else { return Ok(()) };
        self.check_beside_mirror()?;
        if mirror.consumer.as_ref().is_some_and(|consumer| !consumer.fits(mirror)) {
            return Err(ApiError::MirrorDurableConsumerConfigInvalid);
        }
        if !mirror.filter_subject.is_empty() && !mirror.subject_transforms.is_empty() {
            return Err(ApiError::MirrorMultipleFiltersNotAllowed);
        }
        if self.subject_delete_marker_ttl > Nanos(0) {
            // A marker would take a sequence that the origin gives to something else.
            return Err(ApiError::invalid_config("subject delete markers forbidden on mirrors"));
        }
        for (index, transform) in mirror.subject_transforms.iter().enumerate() {
            transform.check_source().map_err(|err| ApiError::MirrorInvalidSubjectFilter { err })?;
            transform.check().map_err(|err| ApiError::MirrorInvalidTransformDestination { err })?;
            if mirror.has_other(index, |other| pattern::overlaps(transform.src.as_bytes(), other.src.as_bytes())) {
                return Err(ApiError::MirrorOverlappingSubjectFilters);
            }
        }
        if let Some(external) = &mirror.external {
            origins.add_external(external);
            return Ok(());
        }
        if !names::is_valid(&mirror.name) {
            return Err(ApiError::MirrorInvalidStreamName);
        }
        let Some(origin) = (rules.find)(&mirror.name) else { return Ok(()) };
        origins.subjects.extend(origin.subjects.iter().cloned());
        if self.takes_less_than(origin) {
            return Err(ApiError::MirrorMaxMessageSizeTooBig);
        }
        if self.mirror_direct != origin.allow_direct {
            rules.mend("origin stream has direct get set, mirror has it disabled")?;
            self.mirror_direct = origin.allow_direct;
        }
        Ok(())
    }

    /// What a mirror cannot have, because its messages are another's.
    fn check_beside_mirror(&self) -> Result<(), ApiError> {
        if self.first_seq > 0 {
            return Err(ApiError::MirrorWithFirstSeq);
        }
        if !self.subjects.is_empty() {
            return Err(ApiError::MirrorWithSubjects);
        }
        if !self.sources.is_empty() {
            return Err(ApiError::MirrorWithSources);
        }
        if self.allow_msg_counter {
            return Err(ApiError::MirrorWithCounters);
        }
        if self.allow_atomic {
            return Err(ApiError::MirrorWithAtomicPublish);
        }
        if self.allow_batched {
            return Err(ApiError::MirrorWithBatchPublish);
        }
        if self.allow_msg_schedules {
            return Err(ApiError::MirrorWithMsgSchedules);
        }
        Ok(())
    }

    fn check_sources(&self, rules: &Rules<'_>, origins: &mut Origins) -> Result<(), ApiError> {
        if !self.sources.is_empty() && self.allow_msg_schedules {
            return Err(ApiError::SourceWithMsgSchedules);
        }
        let (mut seen, mut consumers) = (BTreeSet::new(), BTreeSet::new());
        for source in &self.sources {
            if !names::is_valid(&source.name) {
                return Err(ApiError::SourceInvalidStreamName);
            }
            if !seen.insert(source.identity()) {
                return Err(ApiError::SourceDuplicateDetected);
            }
            source.check_transforms()?;
            if let Some(consumer) = &source.consumer {
                if !consumer.fits(source) {
                    return Err(ApiError::SourceDurableConsumerConfigInvalid);
                }
                if !consumers.insert((&source.name, source.api_prefix(), &consumer.name)) {
                    return Err(ApiError::SourceDurableConsumerDuplicateDetected);
                }
            }
            if let Some(external) = &source.external {
                origins.add_external(external);
            } else if let Some(origin) = (rules.find)(&source.name) {
                origins.subjects.extend(origin.subjects.iter().cloned());
                if self.takes_less_than(origin) {
                    return Err(ApiError::SourceMaxMessageSizeTooBig);
                }
            }
        }
        Ok(())
    }

    fn takes_less_than(&self, origin: &StreamConfig) -> bool {
        self.max_msg_size > 0 && origin.max_msg_size > 0 && self.max_msg_size < origin.max_msg_size
    }

    /// A message that came back to the stream it left would go round for ever.
    fn check_cycle(&self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let cycle = || ApiError::invalid_config("detected cycle");
        let mut to_visit = VecDeque::from([self]);
        let mut visited = BTreeSet::new();
        while let Some(stream) = to_visit.pop_front() {
            visited.insert(stream.name.as_str());
            for source in stream.sources.iter().filter(|source| source.external.is_none()) {
                if visited.contains(source.name.as_str()) {
                    if source.filter_subject.is_empty() || stream.listens_to(&source.filter_subject) {
                        return Err(cycle());
                    }
                } else {
                    to_visit.extend((rules.find)(&source.name));
                }
            }
            if let Some(mirror) = stream.mirror.as_ref().filter(|mirror| mirror.external.is_none()) {
                if visited.contains(mirror.name.as_str()) {
                    return Err(cycle());
                }
                to_visit.extend((rules.find)(&mirror.name));
            }
        }
        Ok(())
    }

    fn listens_to(&self, filter: &str) -> bool {
        self.subjects.iter().any(|subject| pattern::overlaps(subject.as_bytes(), filter.as_bytes()))
    }

    fn check_subjects(&mut self) -> Result<(), ApiError> {
        if self.subjects.is_empty() && self.mirror.is_none() && self.sources.is_empty() {
            self.subjects.push(self.name.clone());
            return Ok(());
        }
        for (index, listened) in self.subjects.iter().enumerate() {
            if !subject::is_valid_pattern(listened.as_bytes()) {
                return Err(ApiError::invalid_config("invalid subject"));
            }
            if listened == ">" {
                if !self.no_ack {
                    return Err(ApiError::invalid_config("capturing all subjects requires no-ack to be true"));
                }
                if self.num_replicas != 1 {
                    return Err(ApiError::invalid_config("capturing all subjects requires replicas of 1"));
                }
            }
            if !self.no_ack {
                check_namespace(listened)?;
            }
            let mut later = self.subjects.iter().skip(index + 1);
            if let Some(other) = later.find(|other| pattern::overlaps(other.as_bytes(), listened.as_bytes())) {
                let text = format!("subject {} overlaps with {}", quote(listened), quote(other));
                return Err(ApiError::invalid_config(text));
            }
        }
        Ok(())
    }

    fn check_bytes(&self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let limit = match self.storage {
            Storage::File => rules.account.storage_max_stream_bytes,
            Storage::Memory => rules.account.memory_max_stream_bytes,
        };
        if rules.account.max_bytes_required && self.max_bytes <= 0 {
            return Err(ApiError::StreamMaxBytesRequired);
        }
        if limit > 0 && self.max_bytes > limit {
            return Err(ApiError::StreamMaxStreamBytesExceeded);
        }
        Ok(())
    }

    fn check_transform(&self) -> Result<(), ApiError> {
        let Some(transform) = &self.subject_transform else { return Ok(()) };
        transform.check_source().map_err(|err| ApiError::StreamTransformInvalidSource { err })?;
        transform.check().map_err(|err| ApiError::StreamTransformInvalidDestination { err })
    }

    fn complete_republish(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let Some(republish) = &mut self.republish else { return Ok(()) };
        if republish.src.is_empty() {
            rules.mend("republish source can not be empty")?;
            ">".clone_into(&mut republish.src);
        }
        // From `>` to `>` is no cycle where all that is stored gets another subject first: that one is published again.
        if let (Some(transform), [only]) = (&self.subject_transform, self.subjects.as_slice())
            && (republish.src.as_str(), republish.dest.as_str()) == (">", ">")
            && transform.src == *only
        {
            rules.mend("implicit republish based on subject transform")?;
            transform.dest.clone_into(&mut republish.src);
            transform.dest.clone_into(&mut republish.dest);
        }
        let (src, dest) = (&republish.src, &republish.dest);
        if self.subjects.iter().any(|subject| pattern::overlaps(dest.as_bytes(), subject.as_bytes())) {
            return Err(ApiError::invalid_config("stream configuration for republish destination forms a cycle"));
        }
        if !dest.is_empty() && Transform::new(src.as_bytes(), dest.as_bytes()).is_err() {
            let text = format!("stream configuration for republish with transform from '{src}' to '{dest}' not valid");
            return Err(ApiError::invalid_config(text));
        }
        Ok(())
    }

    fn complete_placement(&mut self) -> Result<(), ApiError> {
        self.placement.take_if(|placement| *placement == Placement::default());
        if self.placement.as_ref().is_some_and(|placement| !placement.preferred.is_empty()) {
            return Err(ApiError::invalid_config("preferred server not permitted in placement"));
        }
        Ok(())
    }

    pub(super) fn check_replicas(&self, rules: &Rules<'_>) -> Result<(), ApiError> {
        if self.num_replicas > 1 && !rules.is_clustered {
            return Err(ApiError::StreamReplicasNotSupported);
        }
        Ok(())
    }

    /// The reference server looks at these only when it starts to follow.
    fn check_filters(&self) -> Result<(), ApiError> {
        let is_valid = |filter: &str| filter.is_empty() || subject::is_valid_pattern(filter.as_bytes());
        let mirror = self.mirror.iter().map(|mirror| (mirror, "mirror"));
        for (origin, role) in mirror.chain(self.sources.iter().map(|source| (source, "source:"))) {
            let filter = &origin.filter_subject;
            if !is_valid(filter) {
                let err = format!("subject filter '{filter}' for the {role} invalid subject");
                return Err(ApiError::StreamCreate { err });
            }
        }
        Ok(())
    }
}

impl Rules<'_> {
    /// The server is about to change what the client said.
    pub(crate) fn mend(&self, what_is_wrong: &str) -> Result<(), ApiError> {
        if self.is_pedantic { Err(ApiError::pedantic(what_is_wrong)) } else { Ok(()) }
    }
}

impl Origins {
    fn add_external(&mut self, external: &External) {
        let External { api, deliver } = external;
        self.deliver_prefixes.extend((!deliver.is_empty()).then(|| deliver.clone()));
        self.api_prefixes.extend((!api.is_empty()).then(|| api.clone()));
    }

    fn check(&self) -> Result<(), ApiError> {
        for prefix in &self.deliver_prefixes {
            if !subject::is_valid_literal(prefix.as_bytes()) {
                return Err(ApiError::StreamInvalidExternalDeliverySubject { prefix: prefix.clone() });
            }
            for subject in &self.subjects {
                if pattern::overlaps(subject.as_bytes(), format!("{prefix}.{subject}").as_bytes()) {
                    let (prefix, subject) = (prefix.clone(), subject.clone());
                    return Err(ApiError::StreamExternalDeliverPrefixOverlaps { prefix, subject });
                }
            }
        }
        for prefix in &self.api_prefixes {
            if !subject::is_valid_literal(prefix.as_bytes()) {
                let prefix = quote(prefix);
                let text = format!("stream external api prefix {prefix} must be a valid subject without wildcards");
                return Err(ApiError::invalid_config(text));
            }
            if prefix == "$JS.API" {
                let (prefix, subject) = (prefix.clone(), "$JS.API".to_owned());
                return Err(ApiError::StreamExternalApiOverlap { prefix, subject });
            }
        }
        Ok(())
    }
}

impl StreamSource {
    fn check_transforms(&self) -> Result<(), ApiError> {
        if !self.filter_subject.is_empty() && !self.subject_transforms.is_empty() {
            return Err(ApiError::SourceMultipleFiltersNotAllowed);
        }
        for transform in &self.subject_transforms {
            transform.check_source().map_err(|err| ApiError::SourceInvalidSubjectFilter { err })?;
            transform.check().map_err(|err| ApiError::SourceInvalidTransformDestination { err })?;
        }
        for (index, transform) in self.subject_transforms.iter().enumerate() {
            if self.has_other(index, |other| pattern::is_subset(transform.src.as_bytes(), other.src.as_bytes())) {
                return Err(ApiError::SourceOverlappingSubjectFilters);
            }
        }
        Ok(())
    }

    fn has_other(&self, index: usize, is_such: impl Fn(&SubjectTransform) -> bool) -> bool {
        self.subject_transforms.iter().enumerate().any(|(at, other)| at != index && is_such(other))
    }

    fn api_prefix(&self) -> Option<&str> {
        self.external.as_ref().map(|external| external.api.as_str())
    }

    /// Two sources that agree in this are one.
    fn identity(&self) -> Identity<'_> {
        let taken = if self.subject_transforms.is_empty() {
            vec![(all_if_empty(&self.filter_subject), ">")]
        } else {
            self.subject_transforms.iter().map(|one| (all_if_empty(&one.src), all_if_empty(&one.dest))).collect()
        };
        let consumer = self.consumer.as_ref().map(|consumer| consumer.name.as_str());
        Identity { name: &self.name, api_prefix: self.api_prefix(), consumer, taken }
    }
}

impl SourceConsumer {
    /// It has a name and a place to deliver to, and itself decides what is taken from the stream.
    fn fits(&self, source: &StreamSource) -> bool {
        names::is_valid(&self.name)
            && subject::is_valid_literal(self.deliver_subject.as_bytes())
            && source.opt_start_seq == 0
            && source.opt_start_time.is_none()
            && source.filter_subject.is_empty()
    }
}

impl SubjectTransform {
    fn check_source(&self) -> Result<(), String> {
        if self.src.is_empty() || subject::is_valid_pattern(self.src.as_bytes()) {
            return Ok(());
        }
        Err(format!("invalid subject {}", self.src))
    }

    fn check(&self) -> Result<(), String> {
        if self.dest.is_empty() {
            return Ok(());
        }
        Transform::checked(self.src.as_bytes(), self.dest.as_bytes()).map(drop).map_err(|error| error.0)
    }
}

/// Zero says nothing, and -1 is no limit; less than that means the same.
fn complete_limit<N: From<i8> + PartialOrd>(limit: &mut N, name: &str, rules: &Rules<'_>) -> Result<(), ApiError> {
    if *limit < N::from(-1) {
        rules.mend(&format!("{name} must be set to -1"))?;
        *limit = N::from(-1);
    }
    if *limit == N::from(0) {
        *limit = N::from(-1);
    }
    Ok(())
}

/// What servers say to one another is not stored: its acknowledgements would go out as more of the same.
fn check_namespace(listened: &str) -> Result<(), ApiError> {
    let listened = listened.as_bytes();
    let is_in_api = [&b"$JS.>"[..], b"$JSC.>", b"$NRG.>"].iter().any(|space| pattern::overlaps(listened, space));
    if is_in_api && !pattern::is_subset(listened, b"$JS.EVENT.>") {
        let text = "subjects that overlap with jetstream api require no-ack to be true";
        return Err(ApiError::invalid_config(text));
    }
    if pattern::overlaps(listened, b"$SYS.>") && !pattern::is_subset(listened, b"$SYS.ACCOUNT.>") {
        let text = "subjects that overlap with system api require no-ack to be true";
        return Err(ApiError::invalid_config(text));
    }
    Ok(())
}

fn all_if_empty(pattern: &str) -> &str {
    if pattern.is_empty() { ">" } else { pattern }
}
