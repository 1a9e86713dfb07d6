//! Which servers are to answer: part of the body of a request. Who is not meant stays silent.

use serde::Deserialize;

use crate::state::State;

/// Everything that is not empty must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    /// Names must be equal; otherwise a part is enough.
    exact_match: bool,
    /// The server has all of these.
    tags: Vec<String>,
    domain: String,
}

impl Filter {
    pub(crate) fn is_meant(&self, state: &State) -> bool {
        let options = state.options.load();
        let fits = |asked: &str, own: &str| match self.exact_match {
            _ if asked.is_empty() => true,
            true => asked == own,
            false => own.contains(asked),
        };
        let has_tag = |tag: &String| options.server_tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        fits(&self.server_name, &state.server_name())
            && fits(&self.host, &options.host)
            && fits(&self.cluster, &state.settings.load().info.cluster)
            && self.tags.iter().all(has_tag)
            // There are no streams, so no domain of them either.
            && self.domain.is_empty()
    }
}
