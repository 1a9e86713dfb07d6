//! Which segments to write again, so that what was removed gives its space back: a decision over numbers, nothing else.
//!
//! ```text
//!   live / bytes     0 %                      floor                        100 %
//!                    ├── remove ──┬─ rewrite ──┴───────── leave ─────────────┤
//!                    nothing lives
//!   packs            small ones, and streams that have grown in them, are merged into fewer files
//! ```
//!
//! A segment is worth writing again when little of it lives: what is gained for each byte that is written is
//! `(bytes − live) / live`. Under load that must be much; in a quiet minute the whole store is brought down to
//! [`Pace::quiet`]'s share of what lives.
//!
//! Not here: reading and writing segments, and when to ask.

use crate::wal::GroupId;

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Number of its file.
    pub file: u64,
    /// Length of the file.
    pub bytes: u64,
    /// How much of it is needed still, what belongs to it beside the messages included: at most `bytes`.
    pub live: u64,
    /// The stream that it is of alone; none for a pack.
    pub owner: Option<GroupId>,
}

/// How eager to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A segment of which a smaller share lives is written again; in percent.
    pub live_percent_min: u64,
    /// Packs up to this length are merged when there are several.
    pub small_pack_bytes: u64,
    /// Bytes to write in one go.
    pub write_bytes_max: u64,
}

impl Pace {
    /// While nobody waits: the store ends below 1.3 times what lives.
    pub const fn quiet() -> Pace {
        Pace { live_percent_min: 80, small_pack_bytes: 16 << 20, write_bytes_max: 256 << 20 }
    }

    /// Under load: the store ends at 2 times what lives at most, and each byte that is written gains one.
    pub const fn busy() -> Pace {
        Pace { live_percent_min: 50, small_pack_bytes: 4 << 20, write_bytes_max: 64 << 20 }
    }
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files of which nothing lives.
    pub remove: Vec<u64>,
    /// What lives in these goes into new segments: those of one stream into one of its own, packs together into packs.
    /// Each list is one job.
    pub rewrite: Vec<Vec<u64>>,
}

/// Decides. The most is gained first; of equal gains, the older file.
pub fn plan(segments: &[Candidate], pace: Pace) -> Plan {
    let mut plan = Plan::default();
    let mut worthwhile: Vec<&Candidate> = Vec::new();
    let mut small: Vec<&Candidate> = Vec::new();
    for segment in segments {
        if segment.live == 0 {
            plan.remove.push(segment.file);
        } else if is_below(segment, pace.live_percent_min) {
            worthwhile.push(segment);
        } else if segment.owner.is_none() && segment.bytes <= pace.small_pack_bytes {
            small.push(segment);
        }
    }
    // live / bytes rising, without dividing.
    let product = |a: &Candidate, b: &Candidate| u128::from(a.live) * u128::from(b.bytes);
    worthwhile.sort_by(|a, b| product(a, b).cmp(&product(b, a)).then(a.file.cmp(&b.file)));
    let mut left = pace.write_bytes_max;
    let mut take = |segment: &Candidate| {
        // Whatever is first is done, or a segment longer than the budget never would be.
        let is_taken = segment.live <= left || left == pace.write_bytes_max;
        left = left.saturating_sub(if is_taken { segment.live } else { 0 });
        is_taken
    };
    let mut packs = Vec::new();
    for segment in worthwhile.into_iter().filter(|segment| take(segment)) {
        match segment.owner {
            Some(_) => plan.rewrite.push(vec![segment.file]),
            None => packs.push(segment.file),
        }
    }
    // Small packs cost memory and searches rather than space, so they wait until there is something to merge them with.
    small.sort_by_key(|segment| segment.file);
    let has_worthwhile = !packs.is_empty();
    if small.len() + packs.len() > 1 {
        packs.extend(small.into_iter().filter(|segment| take(segment)).map(|segment| segment.file));
    }
    if has_worthwhile || packs.len() > 1 {
        packs.sort_unstable();
        plan.rewrite.push(packs);
    }
    plan
}

fn is_below(segment: &Candidate, live_percent: u64) -> bool {
    u128::from(segment.live) * 100 < u128::from(segment.bytes) * u128::from(live_percent)
}

#[cfg(test)]
mod tests {
    //! What is chosen, and that choosing again and again comes to an end near what lives.

    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1 << 20;

    fn own(file: u64, bytes: u64, live: u64) -> Candidate {
        Candidate { file, bytes: bytes * MB, live: live * MB, owner: Some(GroupId(1)) }
    }

    fn pack(file: u64, bytes: u64, live: u64) -> Candidate {
        Candidate { owner: None, ..own(file, bytes, live) }
    }

    #[track_caller]
    fn check(segments: &[Candidate], pace: Pace, remove: &[u64], rewrite: &[&[u64]]) {
        let expected = Plan { remove: remove.to_vec(), rewrite: rewrite.iter().map(|job| job.to_vec()).collect() };
        assert_eq!(plan(segments, pace), expected);
    }

    #[test]
    fn dead_segments_go_and_half_dead_ones_are_written_again() {
        let segments = [own(1, 64, 0), own(2, 64, 60), own(3, 64, 30), own(4, 64, 10), pack(5, 64, 20), own(6, 64, 40)];
        check(&segments, Pace::busy(), &[1], &[&[4], &[3], &[5]]);
        check(&segments, Pace::quiet(), &[1], &[&[4], &[3], &[6], &[5]]);
        check(&[], Pace::quiet(), &[], &[]);
    }

    #[test]
    fn a_job_stays_within_its_budget_unless_it_is_the_only_one() {
        let pace = Pace { write_bytes_max: 20 * MB, ..Pace::quiet() };
        check(&[own(1, 64, 30)], pace, &[], &[&[1]]);
        check(&[own(1, 64, 30), own(2, 64, 10), own(3, 64, 9)], pace, &[], &[&[3], &[2]]);
    }

    #[test]
    fn small_packs_are_merged_when_there_are_several() {
        check(&[pack(1, 3, 3), own(2, 3, 3)], Pace::busy(), &[], &[]);
        check(&[pack(1, 3, 3), pack(4, 2, 2), pack(2, 64, 60), pack(3, 4, 4)], Pace::busy(), &[], &[&[1, 3, 4]]);
        check(&[pack(1, 3, 3), pack(2, 64, 20)], Pace::busy(), &[], &[&[1, 2]]);
        let pace = Pace { write_bytes_max: 20 * MB, ..Pace::busy() };
        check(&[pack(1, 3, 3), pack(2, 64, 20)], pace, &[], &[&[2]]);
    }

    proptest! {
        #[test]
        fn a_quiet_store_comes_down_to_what_lives(
            drawn in prop::collection::vec((1_u64..65, 0_u64..65, any::<bool>()), 0..60),
        ) {
            let mut segments: Vec<Candidate> = (1..)
                .zip(drawn)
                .map(|(file, (bytes, live, is_pack))| {
                    let live = live.min(bytes);
                    if is_pack { pack(file, bytes, live) } else { own(file, bytes, live) }
                })
                .collect();
            let (mut next, mut rounds) = (1_000, 0);
            loop {
                let plan = plan(&segments, Pace::quiet());
                if plan == Plan::default() {
                    break;
                }
                segments.retain(|segment| !plan.remove.contains(&segment.file));
                for job in &plan.rewrite {
                    let live = segments.iter().filter(|segment| job.contains(&segment.file)).map(|s| s.live).sum();
                    let owner = segments.iter().find(|segment| job.contains(&segment.file)).and_then(|s| s.owner);
                    segments.retain(|segment| !job.contains(&segment.file));
                    segments.push(Candidate { file: next, bytes: live, live, owner });
                    next += 1;
                }
                rounds += 1;
                prop_assert!(rounds < 200, "it comes to an end");
            }
            let (bytes, live) = segments.iter().fold((0, 0), |sum, s| (sum.0 + s.bytes, sum.1 + s.live));
            prop_assert!(bytes * 10 <= live * 13, "{bytes} bytes for {live} that live");
        }
    }
}
