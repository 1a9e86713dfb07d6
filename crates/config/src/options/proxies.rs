//! The options of `proxies`. Checked, not used: the feature does not exist yet.

use crate::table::{Kind, Row, Section, Unknown};

pub(super) static PROXIES: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "expected proxies to be a map/struct, got {type}",
    rows: &[Row::later("trusted", Kind::Blocks(&TRUSTED), "Proxies to trust.")],
};

static TRUSTED: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "expected proxies' trusted entry to be a map/struct, got {type}",
    rows: &[Row::later("key", Kind::Text, "Public nkey of the proxy.").or(&["public_key"])],
};
