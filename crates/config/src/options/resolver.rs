//! The options of `resolver`. Checked, not used: the feature does not exist yet.

use crate::table::{Kind, Row, Section, Unknown};

pub(super) static RESOLVER: Section<()> = Section {
    unknown: Unknown::Ignored,
    no_map: "error parsing operator resolver, wrong type {type}",
    rows: &[
        Row::later("type", Kind::Text, "full, cache or mem."),
        Row::later("dir", Kind::Text, "Folder of account JWTs."),
        Row::later("allow_delete", Kind::Bool, "Accounts may be deleted."),
        Row::later("hard_delete", Kind::Bool, "Delete files instead of renaming them."),
        Row::later("limit", Kind::Int, "Account JWTs to keep."),
        Row::later("ttl", Kind::Duration, "Time a cached JWT holds."),
        Row::later("interval", Kind::Duration, "Time between two comparisons with other servers.").default("1m"),
        Row::later("timeout", Kind::Duration, "Time a look-up may take.").default("1.9s"),
    ],
};
