//! What one pattern holds: values by themselves and values in queue groups.
//!
//! Nearly every pattern has one plain value, kept without a further allocation. Beyond that values lie in chunks shared
//! between snapshots, so that a change under a pattern with many of them copies one chunk and the list of chunks.
//!
//! Invariants: never empty; a single plain value is `One`; every chunk but the last is full and none is empty; groups
//! are ordered by name and none is empty.

use std::{mem, sync::Arc};

/// The values of one pattern, at least one.
#[derive(Clone, Debug)]
pub(super) enum Values<V> {
    One(V),
    Many(Arc<Many<V>>),
}

#[derive(Clone, Debug)]
pub(super) struct Many<V> {
    plain: Bag<V>,
    queues: Vec<Queue<V>>,
}

/// A queue group.
#[derive(Clone, Debug)]
pub(super) struct Queue<V> {
    pub(super) name: Arc<[u8]>,
    pub(super) members: Bag<V>,
}

/// Values without an order, cheap to change while a clone is alive.
#[derive(Clone, Debug)]
pub(super) struct Bag<V> {
    chunks: Vec<Arc<Vec<V>>>,
}

/// Where a value is; valid until the next change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index of the queue group.
    queue: Option<usize>,
    index: usize,
}

/// Balances the chunk against the list of chunks, for some ten thousand values of one pattern.
const CHUNK_VALUES: usize = 256;

impl<V> Values<V> {
    pub(super) fn len(&self) -> usize {
        match self {
            Values::One(_) => 1,
            Values::Many(many) => many.len(),
        }
    }

    pub(super) fn plain_len(&self) -> usize {
        match self {
            Values::One(_) => 1,
            Values::Many(many) => many.plain.len(),
        }
    }

    /// The values outside queue groups.
    pub(super) fn plain(&self) -> impl Iterator<Item = &V> {
        let (one, many) = match self {
            Values::One(value) => (Some(value), None),
            Values::Many(many) => (None, Some(many.plain.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The queue groups.
    pub(super) fn queues(&self) -> &[Queue<V>] {
        match self {
            Values::One(_) => &[],
            Values::Many(many) => &many.queues,
        }
    }

    pub(super) fn find(&self, queue: Option<&[u8]>, is_it: impl Fn(&V) -> bool) -> Option<Place> {
        let (queue, index) = match queue {
            None => (None, self.plain().position(is_it)?),
            Some(name) => {
                let at = find_queue(self.queues(), name).ok()?;
                (Some(at), self.queues().get(at)?.members.iter().position(is_it)?)
            }
        };
        Some(Place { queue, index })
    }

    /// Panics if an invariant of the module does not hold.
    pub(super) fn check_invariants(&self) {
        let Values::Many(many) = self else { return };
        many.plain.check_invariants();
        assert!(many.len() > 1 || !many.queues.is_empty(), "a single plain value is not by itself");
        assert!(many.queues.is_sorted_by(|a, b| a.name < b.name), "queue groups are out of order");
        for queue in &many.queues {
            queue.members.check_invariants();
            assert!(queue.members.len() > 0, "a queue group is empty");
        }
    }
}

impl<V: Clone> Values<V> {
    pub(super) fn new(queue: Option<&[u8]>, value: V) -> Self {
        match queue {
            None => Values::One(value),
            Some(name) => Values::Many(Arc::new(Many { plain: Bag::default(), queues: vec![Queue::new(name, value)] })),
        }
    }

    pub(super) fn insert(&mut self, queue: Option<&[u8]>, value: V) {
        if let Values::One(_) = self {
            let empty = Many { plain: Bag::default(), queues: Vec::new() };
            if let Values::One(first) = mem::replace(self, Values::Many(Arc::new(empty))) {
                self.insert(None, first);
            }
        }
        let Values::Many(many) = self else { unreachable!("one value became many above") };
        let many = Arc::make_mut(many);
        match queue {
            None => many.plain.push(value),
            Some(name) => match find_queue(&many.queues, name) {
                Ok(at) => many.queues.get_mut(at).expect("just found").members.push(value),
                Err(at) => many.queues.insert(at, Queue::new(name, value)),
            },
        }
    }

    /// Takes out the value at `place`, which is not the last one: that leaves with [`Values::into_last`].
    pub(super) fn take(&mut self, place: Place) -> V {
        let Values::Many(many) = self else { panic!("the only value leaves with its pattern") };
        let many = Arc::make_mut(many);
        let value = match place.queue {
            None => many.plain.swap_remove(place.index),
            Some(at) => {
                let members = &mut many.queues.get_mut(at).expect("a place is used before the next change").members;
                let value = members.swap_remove(place.index);
                if members.len() == 0 {
                    many.queues.remove(at);
                }
                value
            }
        };
        if many.queues.is_empty() && many.plain.len() == 1 {
            let last = many.plain.swap_remove(0);
            *self = Values::One(last);
        }
        value
    }

    /// The only value there is.
    pub(super) fn into_last(self) -> V {
        match self {
            Values::One(value) => value,
            Values::Many(many) => {
                assert_eq!(many.len(), 1, "more values are left");
                let Many { plain, queues } = Arc::unwrap_or_clone(many);
                queues.into_iter().next().map_or(plain, |queue| queue.members).swap_remove(0)
            }
        }
    }
}

impl<V> Many<V> {
    fn len(&self) -> usize {
        self.plain.len() + self.queues.iter().map(|queue| queue.members.len()).sum::<usize>()
    }
}

impl<V> Queue<V> {
    fn new(name: &[u8], value: V) -> Self {
        Self { name: name.into(), members: Bag { chunks: vec![Arc::new(vec![value])] } }
    }
}

impl<V> Default for Bag<V> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<V> Bag<V> {
    fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK_VALUES + last.len())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    fn check_invariants(&self) {
        let Some((last, full)) = self.chunks.split_last() else { return };
        assert!((1..=CHUNK_VALUES).contains(&last.len()), "the last chunk is empty or too long");
        assert!(full.iter().all(|chunk| chunk.len() == CHUNK_VALUES), "a chunk before the last is not full");
    }
}

impl<V: Clone> Bag<V> {
    fn push(&mut self, value: V) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK_VALUES => Arc::make_mut(last).push(value),
            Some(_) | None => self.chunks.push(Arc::new(vec![value])),
        }
    }

    /// Takes out the value at `index`, which is in range, and puts the last one in its place.
    fn swap_remove(&mut self, index: usize) -> V {
        let last = Arc::make_mut(self.chunks.last_mut().expect("a bag with this index is not empty"));
        let moved = last.pop().expect("no chunk is empty");
        if last.is_empty() {
            self.chunks.pop();
            shrink(&mut self.chunks);
        } else {
            shrink(last);
        }
        match self.chunks.get_mut(index / CHUNK_VALUES).map(Arc::make_mut).and_then(|c| c.get_mut(index % CHUNK_VALUES))
        {
            Some(hole) => mem::replace(hole, moved),
            None => moved,
        }
    }
}

/// Gives memory back once three quarters are unused, so that a removal costs little on average.
fn shrink<T>(values: &mut Vec<T>) {
    if values.len() < values.capacity() / 4 {
        values.shrink_to(values.len() * 2);
    }
}

fn find_queue<V>(queues: &[Queue<V>], name: &[u8]) -> Result<usize, usize> {
    queues.binary_search_by(|queue| (*queue.name).cmp(name))
}
