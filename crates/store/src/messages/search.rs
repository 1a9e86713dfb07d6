//! The nearest match and the number of matches, without knowing beforehand which way is short.
//!
//! There are two ways: look at one message after the other, or ask each matching subject for its messages. The first is
//! short where matches are dense or the end is near, the second where few subjects match, and nothing says which is the
//! case. So both are gone in turns, each turn twice as long as the one before, until one of them arrives: a small
//! multiple of the work of the better way.
//!
//! Not here: a single subject, which is looked up, and every subject, for which the window is asked.

use std::ops::ControlFlow;

use super::filter::Filter;
use super::names::index;
use super::subjects::Subjects;
use super::walk::Walk;
use super::window::{Searched, Window};

/// Messages that are looked at before subjects are.
const FIRST_TURN: usize = 64;

/// The first live match at or after `from`.
pub(super) fn next(window: &Window, subjects: &Subjects, from: u64, filter: &Filter) -> Option<u64> {
    let mut verdicts = Verdicts::new(subjects, filter);
    let mut walk = Walk::new(subjects, filter);
    let mut nearest: Option<u64> = None;
    let (mut at, mut turn) = (from, FIRST_TURN);
    loop {
        match window.search_up(at, turn, |id| verdicts.is_wanted(id)) {
            Searched::Found(found) => return Some(found),
            Searched::Nothing => return None,
            Searched::GoOn(further) => at = further,
        }
        for _ in 0..turn {
            match walk.step() {
                ControlFlow::Continue(Some(id)) => {
                    nearest = subjects.at_or_after(id, from).into_iter().chain(nearest).min();
                }
                ControlFlow::Continue(None) => {}
                ControlFlow::Break(()) => return nearest,
            }
        }
        turn *= 2;
    }
}

/// The last live match at or before `from`.
pub(super) fn previous(window: &Window, subjects: &Subjects, from: u64, filter: &Filter) -> Option<u64> {
    let mut verdicts = Verdicts::new(subjects, filter);
    let mut walk = Walk::new(subjects, filter);
    let mut nearest: Option<u64> = None;
    let (mut at, mut turn) = (from, FIRST_TURN);
    loop {
        match window.search_down(at, turn, |id| verdicts.is_wanted(id)) {
            Searched::Found(found) => return Some(found),
            Searched::Nothing => return None,
            Searched::GoOn(further) => at = further,
        }
        for _ in 0..turn {
            match walk.step() {
                ControlFlow::Continue(Some(id)) => {
                    nearest = subjects.at_or_before(id, from).into_iter().chain(nearest).max();
                }
                ControlFlow::Continue(None) => {}
                ControlFlow::Break(()) => return nearest,
            }
        }
        turn *= 2;
    }
}

/// How many live matches there are at or after `from`.
pub(super) fn count(window: &Window, subjects: &Subjects, from: u64, filter: &Filter) -> u64 {
    let mut walk = Walk::new(subjects, filter);
    if window.first().is_none_or(|first| from <= first) {
        return walk.map(|id| subjects.count(id, from)).sum();
    }
    let mut verdicts = Verdicts::new(subjects, filter);
    let (mut by_message, mut by_subject) = (0, 0);
    let (mut at, mut turn) = (from, FIRST_TURN);
    loop {
        let searched = window.search_up(at, turn, |id| {
            by_message += u64::from(verdicts.is_wanted(id));
            false
        });
        match searched {
            Searched::GoOn(further) => at = further,
            Searched::Found(_) | Searched::Nothing => return by_message,
        }
        for _ in 0..turn {
            match walk.step() {
                ControlFlow::Continue(Some(id)) => by_subject += subjects.count(id, from),
                ControlFlow::Continue(None) => {}
                ControlFlow::Break(()) => return by_subject,
            }
        }
        turn *= 2;
    }
}

/// What was found out about a few subjects: the same ones come again and again.
struct Verdicts<'a> {
    subjects: &'a Subjects,
    filter: &'a Filter,
    known: [Option<(u32, bool)>; VERDICTS],
}

const VERDICTS: usize = 16;

impl<'a> Verdicts<'a> {
    fn new(subjects: &'a Subjects, filter: &'a Filter) -> Self {
        Verdicts { subjects, filter, known: [None; VERDICTS] }
    }

    fn is_wanted(&mut self, id: u32) -> bool {
        let slot = self.known.get_mut(index(id) % VERDICTS).expect("a remainder is below");
        match *slot {
            Some((known, is_wanted)) if known == id => is_wanted,
            Some(_) | None => {
                let is_wanted = self.filter.matches(self.subjects.name(id));
                *slot = Some((id, is_wanted));
                is_wanted
            }
        }
    }
}
