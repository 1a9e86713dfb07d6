//! What one pattern holds: values by themselves and values in queue groups.
//!
//! Nearly every pattern has one plain value, kept without a further allocation, and nearly every other one has a few, in
//! a list. More than a few are found by their identity, and more than a few queue groups by their name, in persistent
//! maps: a change among many copies a path to one of them.
//!
//! Invariants: never empty; a single plain value is `One`; no identity is twice among the plain values or in a group;
//! counts are what is there; a list is not longer than its maximum, a map not smaller than half of that; no group is
//! empty.

use std::{mem, sync::Arc};

use super::{Identity, hash::HashKey, map::Map};

/// The values of one pattern, at least one.
#[derive(Clone, Debug)]
pub(super) enum Values<V> {
    One(V),
    Many(Arc<Many<V>>),
}

#[derive(Clone, Debug)]
pub(super) struct Many<V> {
    plain: Members<V>,
    groups: Groups<V>,
    /// Values in all groups.
    grouped: usize,
}

/// Values of different identities, without an order.
#[derive(Clone, Debug)]
pub(super) enum Members<V> {
    Few(Vec<V>),
    Many(Arc<Counted<V>>),
}

/// Queue groups by their names.
#[derive(Clone, Debug)]
enum Groups<V> {
    Few(Vec<(Arc<[u8]>, Members<V>)>),
    /// Behind handles: a node of a map that is copied has thirty-two of them.
    Many(Arc<Counted<Arc<Members<V>>>>),
}

/// A map that knows how many keys it has.
#[derive(Clone, Debug)]
pub(super) struct Counted<T> {
    map: Map<T>,
    len: usize,
}

/// Which value of a pattern.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) hash_key: HashKey,
    pub(super) queue: Option<&'a [u8]>,
    pub(super) identity: usize,
}

/// With [`GROUPS_FEW_MAX`] it bounds what a change copies when a snapshot shares all the lists of a pattern.
const MEMBERS_FEW_MAX: usize = 32;
const GROUPS_FEW_MAX: usize = 8;

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

    /// Visits the values outside queue groups.
    pub(super) fn for_each_plain<'a>(&'a self, mut visit: impl FnMut(&'a V)) {
        match self {
            Values::One(value) => visit(value),
            Values::Many(many) => many.plain.for_each(visit),
        }
    }

    pub(super) fn has_groups(&self) -> bool {
        matches!(self, Values::Many(many) if many.grouped > 0)
    }

    /// Visits the queue groups, in no promised order.
    pub(super) fn for_each_group<'a>(&'a self, visit: impl FnMut(&'a Arc<[u8]>, &'a Members<V>)) {
        if let Values::Many(many) = self {
            many.groups.for_each(visit);
        }
    }
}

impl<V: Identity> Values<V> {
    pub(super) fn holds(&self, place: Place<'_>) -> bool {
        match (self, place.queue) {
            (Values::One(value), None) => value.identity() == place.identity,
            (Values::One(_), Some(_)) => false,
            (Values::Many(many), None) => many.plain.holds(place),
            (Values::Many(many), Some(name)) => {
                many.groups.get(place.hash_key, name).is_some_and(|members| members.holds(place))
            }
        }
    }

    /// Panics if an invariant of the module does not hold.
    pub(super) fn check_invariants(&self, hash_key: HashKey) {
        let Values::Many(many) = self else { return };
        assert!(many.len() > 1 || many.grouped > 0, "a single plain value is not by itself");
        many.plain.check_invariants(hash_key);
        let mut names = Vec::new();
        let mut grouped = 0;
        many.groups.for_each(|name, members| {
            members.check_invariants(hash_key);
            assert!(members.len() > 0, "a queue group is empty");
            grouped += members.len();
            names.push(name);
        });
        assert_eq!(grouped, many.grouped, "the values in groups are miscounted");
        match &many.groups {
            Groups::Few(list) => assert!(list.len() <= GROUPS_FEW_MAX, "too many groups for a list"),
            Groups::Many(counted) => counted.check_invariants(hash_key, names.len(), GROUPS_FEW_MAX),
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), many.groups.len(), "a queue group is there twice");
    }
}

impl<V: Clone + Identity> Values<V> {
    pub(super) fn new(queue: Option<&[u8]>, value: V) -> Self {
        match queue {
            None => Values::One(value),
            Some(name) => Values::Many(Arc::new(Many {
                plain: Members::Few(Vec::new()),
                groups: Groups::Few(vec![(name.into(), Members::Few(vec![value]))]),
                grouped: 1,
            })),
        }
    }

    pub(super) fn insert(&mut self, hash_key: HashKey, queue: Option<&[u8]>, value: V) {
        if let Values::One(_) = self {
            let empty = Many { plain: Members::Few(Vec::new()), groups: Groups::Few(Vec::new()), grouped: 0 };
            if let Values::One(first) = mem::replace(self, Values::Many(Arc::new(empty))) {
                self.insert(hash_key, None, first);
            }
        }
        let Values::Many(many) = self else { unreachable!("one value became many above") };
        let many = Arc::make_mut(many);
        match queue {
            None => many.plain.insert(hash_key, value),
            Some(name) => {
                many.groups.open(hash_key, name).insert(hash_key, value);
                many.grouped += 1;
            }
        }
    }

    /// Takes out the value at `place`, which [is there](Self::holds) and not the last one: that leaves with
    /// [`Values::into_last`].
    pub(super) fn take(&mut self, place: Place<'_>) -> V {
        let Values::Many(many) = self else { panic!("the only value leaves with its pattern") };
        let many = Arc::make_mut(many);
        let value = match place.queue {
            None => many.plain.take(place),
            Some(name) => {
                let members = many.groups.open(place.hash_key, name);
                let value = members.take(place);
                if members.len() == 0 {
                    many.groups.remove(place.hash_key, name);
                }
                many.grouped -= 1;
                value
            }
        };
        if many.grouped == 0 && many.plain.len() == 1 {
            let last = mem::replace(&mut many.plain, Members::Few(Vec::new())).into_last();
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
                let Many { plain, groups, .. } = Arc::unwrap_or_clone(many);
                let members = match groups {
                    Groups::Few(list) => list.into_iter().next().map(|(_, members)| members),
                    Groups::Many(_) => unreachable!("one value is in few groups"),
                };
                members.unwrap_or(plain).into_last()
            }
        }
    }
}

impl<V> Many<V> {
    fn len(&self) -> usize {
        self.plain.len() + self.grouped
    }
}

impl<V> Members<V> {
    pub(super) fn len(&self) -> usize {
        match self {
            Members::Few(list) => list.len(),
            Members::Many(counted) => counted.len,
        }
    }

    pub(super) fn for_each<'a>(&'a self, mut visit: impl FnMut(&'a V)) {
        match self {
            Members::Few(list) => list.iter().for_each(visit),
            Members::Many(counted) => counted.map.for_each(&mut |_, value| visit(value)),
        }
    }
}

impl<V: Identity> Members<V> {
    fn holds(&self, place: Place<'_>) -> bool {
        match self {
            Members::Few(list) => position(list, place.identity).is_some(),
            Members::Many(counted) => counted.map.get(place.hash_key, &place.identity.to_le_bytes()).is_some(),
        }
    }

    fn check_invariants(&self, hash_key: HashKey) {
        let mut identities = Vec::new();
        self.for_each(|value| identities.push(value.identity()));
        match self {
            Members::Few(list) => assert!(list.len() <= MEMBERS_FEW_MAX, "too many values for a list"),
            Members::Many(counted) => {
                counted.check_invariants(hash_key, identities.len(), MEMBERS_FEW_MAX);
                counted.map.for_each(&mut |key, value| {
                    assert_eq!(**key, value.identity().to_le_bytes(), "a value is under another's identity");
                });
            }
        }
        identities.sort_unstable();
        identities.dedup();
        assert_eq!(identities.len(), self.len(), "an identity is there twice");
    }
}

impl<V: Clone + Identity> Members<V> {
    fn insert(&mut self, hash_key: HashKey, value: V) {
        let list = match self {
            Members::Few(list) => list,
            Members::Many(counted) => {
                let identity = value.identity().to_le_bytes();
                return Arc::make_mut(counted).insert_new(hash_key, &identity, value);
            }
        };
        assert!(position(list, value.identity()).is_none(), "a value is inserted once");
        if list.len() < MEMBERS_FEW_MAX {
            return list.push(value);
        }
        let mut counted = Counted { map: Map::default(), len: 0 };
        for value in mem::take(list).into_iter().chain([value]) {
            counted.insert_new(hash_key, &value.identity().to_le_bytes(), value);
        }
        *self = Members::Many(Arc::new(counted));
    }

    /// Takes out the value at `place`, which is there.
    fn take(&mut self, place: Place<'_>) -> V {
        let found = "it was found before";
        let counted = match self {
            Members::Few(list) => return list.swap_remove(position(list, place.identity).expect(found)),
            Members::Many(counted) => Arc::make_mut(counted),
        };
        let value = counted.remove(place.hash_key, &place.identity.to_le_bytes()).expect(found);
        if counted.len < MEMBERS_FEW_MAX / 2 {
            let list = counted.take_all(place.hash_key);
            *self = Members::Few(list.into_iter().map(|(_, value)| value).collect());
        }
        value
    }

    /// The only value there is.
    fn into_last(self) -> V {
        match self {
            Members::Few(mut list) => list.pop().expect("the caller has counted one"),
            Members::Many(_) => unreachable!("one value is in a list"),
        }
    }
}

impl<V> Groups<V> {
    fn len(&self) -> usize {
        match self {
            Groups::Few(list) => list.len(),
            Groups::Many(counted) => counted.len,
        }
    }

    fn for_each<'a>(&'a self, mut visit: impl FnMut(&'a Arc<[u8]>, &'a Members<V>)) {
        match self {
            Groups::Few(list) => list.iter().for_each(|(name, members)| visit(name, members)),
            Groups::Many(counted) => counted.map.for_each(&mut |name, members| visit(name, members)),
        }
    }

    fn get(&self, hash_key: HashKey, name: &[u8]) -> Option<&Members<V>> {
        match self {
            Groups::Few(list) => list.iter().find(|(present, _)| **present == *name).map(|(_, members)| members),
            Groups::Many(counted) => counted.map.get(hash_key, name).map(|members| &**members),
        }
    }
}

impl<V: Clone> Groups<V> {
    /// The group of this name, made unless it is there.
    fn open(&mut self, hash_key: HashKey, name: &[u8]) -> &mut Members<V> {
        if let Groups::Few(list) = self
            && list.len() == GROUPS_FEW_MAX
            && !list.iter().any(|(present, _)| **present == *name)
        {
            let mut counted = Counted { map: Map::default(), len: 0 };
            for (name, members) in mem::take(list) {
                counted.insert_new(hash_key, &name, Arc::new(members));
            }
            *self = Groups::Many(Arc::new(counted));
        }
        match self {
            Groups::Few(list) => {
                let at = list.iter().position(|(present, _)| **present == *name).unwrap_or_else(|| {
                    list.push((name.into(), Members::Few(Vec::new())));
                    list.len() - 1
                });
                &mut list.get_mut(at).expect("found or just pushed").1
            }
            Groups::Many(counted) => {
                let Counted { map, len } = Arc::make_mut(counted);
                Arc::make_mut(map.get_or_insert_with(hash_key, name, || {
                    *len += 1;
                    Arc::new(Members::Few(Vec::new()))
                }))
            }
        }
    }

    /// Forgets the group of this name, which is there.
    fn remove(&mut self, hash_key: HashKey, name: &[u8]) {
        let counted = match self {
            Groups::Few(list) => return list.retain(|(present, _)| **present != *name),
            Groups::Many(counted) => Arc::make_mut(counted),
        };
        counted.remove(hash_key, name);
        if counted.len < GROUPS_FEW_MAX / 2 {
            let list = counted.take_all(hash_key).into_iter();
            *self = Groups::Few(list.map(|(name, members)| (name, Arc::unwrap_or_clone(members))).collect());
        }
    }
}

impl<T> Counted<T> {
    /// `len` is what the caller counted, and a list would hold `few_max`.
    fn check_invariants(&self, hash_key: HashKey, len: usize, few_max: usize) {
        self.map.check_invariants(hash_key);
        assert_eq!(self.len, len, "a map is miscounted");
        assert!(len >= few_max / 2, "too few for a map");
    }
}

impl<T: Clone> Counted<T> {
    fn insert_new(&mut self, hash_key: HashKey, key: &[u8], value: T) {
        let mut is_new = false;
        self.map.get_or_insert_with(hash_key, key, || {
            is_new = true;
            value
        });
        assert!(is_new, "a value is inserted once");
        self.len += 1;
    }

    fn remove(&mut self, hash_key: HashKey, key: &[u8]) -> Option<T> {
        let removed = self.map.remove(hash_key, key);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// Empties the map.
    fn take_all(&mut self, hash_key: HashKey) -> Vec<(Arc<[u8]>, T)> {
        let mut keys = Vec::with_capacity(self.len);
        self.map.for_each(&mut |key, _| keys.push(Arc::clone(key)));
        let take = |key: Arc<[u8]>| self.remove(hash_key, &key).map(|value| (key, value));
        keys.into_iter().filter_map(take).collect()
    }
}

fn position<V: Identity>(list: &[V], identity: usize) -> Option<usize> {
    list.iter().position(|value| value.identity() == identity)
}
