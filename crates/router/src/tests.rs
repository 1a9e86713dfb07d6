//! Accounts, snapshots and the cache of routes, against what a search without any cache finds.

use std::sync::Arc;

use firn_auth::{
    account::AccountId,
    permission::{Permissions, PermissionsSpec, RulesSpec},
};
use firn_id::Monotonic;
use firn_subject::{
    interest::{Identity, Matches},
    pattern,
};
use proptest::prelude::*;

use crate::{Account, Body, Cache, Delivered, Message, Picker, Port, Receiver, ReplyGrants, Subscription};

/// A port that is nothing but a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number(u32);

impl Port for Number {
    type Batch = ();

    fn deliver(&self, subscription: &Arc<Subscription<Self>>, _: &Message<'_>, (): &mut ()) -> Delivered {
        match () {
            () if subscription.is_closed() => Delivered::Refused,
            () if subscription.count_delivery() => Delivered::TakenLast,
            () => Delivered::Taken,
        }
    }
}

impl Identity for Number {
    fn identity(&self) -> usize {
        self.0 as usize
    }
}

fn account() -> Account<Number> {
    Account::new(AccountId::GLOBAL, "$G", 7, || {})
}

fn subscription(number: u32, subject: &str, queue: Option<&str>) -> Arc<Subscription<Number>> {
    Arc::new(Subscription::new(Number(number), subject.as_bytes(), queue.map(str::as_bytes), b"1", None))
}

/// The numbers of the plain receivers, then of each queue group's members, sorted.
fn receivers(account: &Account<Number>, subject: &str) -> (Vec<u32>, Vec<Vec<u32>>) {
    let numbers = |subscriptions: &[Arc<Subscription<Number>>]| {
        let mut numbers: Vec<u32> = subscriptions.iter().map(|subscription| subscription.port.0).collect();
        numbers.sort_unstable();
        numbers
    };
    let route = account.route(subject.as_bytes(), &mut Matches::default());
    let mut queues: Vec<Vec<u32>> = route.queues.iter().map(|members| numbers(members)).collect();
    queues.sort();
    assert_eq!(route.fan_out(), route.plain.len() + queues.len());
    assert_eq!(route.is_empty(), route.fan_out() == 0);
    (numbers(&route.plain), queues)
}

#[test]
fn a_change_is_visible_once_it_is_published() {
    let account = account();
    let first = subscription(1, "a.*", None);
    account.insert(Arc::clone(&first));
    assert_eq!(receivers(&account, "a.b"), (vec![], vec![]));
    account.publish();
    assert_eq!(receivers(&account, "a.b"), (vec![1], vec![]));
    assert!(account.is_interested(b"a.b") && !account.is_interested(b"b"));
    assert!(account.remove(&first));
    assert!(!account.remove(&first), "it has ended already");
    assert_eq!(receivers(&account, "a.b"), (vec![1], vec![]));
    account.publish();
    assert_eq!(receivers(&account, "a.b"), (vec![], vec![]));
}

#[test]
fn members_of_a_queue_group_stay_together() {
    let account = account();
    for (number, queue) in [(1, Some("q")), (2, Some("q")), (3, Some("r")), (4, None)] {
        account.insert(subscription(number, "a", queue));
    }
    account.publish();
    assert_eq!(receivers(&account, "a"), (vec![4], vec![vec![1, 2], vec![3]]));
}

#[test]
fn receivers_are_apart_unless_one_of_them_needs_a_look_at_each_message() {
    let is_apart = |subscriptions: &[(u32, Option<&str>, Option<Arc<Receiver>>)]| {
        let account = account();
        for (number, queue, receiver) in subscriptions {
            let queue = queue.map(str::as_bytes);
            let subscription = Subscription::new(Number(*number), b"a", queue, b"1", receiver.clone());
            account.insert(Arc::new(subscription));
        }
        account.publish();
        account.route(b"a", &mut Matches::default()).is_apart()
    };
    assert!(is_apart(&[]));
    assert!(!is_apart(&[(1, Some("q"), None)]));
    assert!(is_apart(&[(1, None, None)]));
    assert!(is_apart(&[(1, None, None), (3, None, None), (2, None, None)]));
    assert!(!is_apart(&[(1, None, None), (2, None, None), (1, None, None)]));
    assert!(!is_apart(&[(1, None, None), (2, Some("q"), None)]));
    assert!(!is_apart(&[(1, None, None), (2, None, Some(Arc::new(Receiver { filter: None, grants: None })))]));
}

#[test]
fn a_message_is_offered_to_everybody_and_in_a_group_until_a_member_takes_it() {
    let account = account();
    for (number, queue) in [(1, Some("q")), (2, Some("q")), (3, Some("q")), (4, Some("r")), (5, None), (6, None)] {
        account.insert(subscription(number, "a", queue));
    }
    account.publish();
    let route = account.route(b"a", &mut Matches::default());
    let mut picker = Picker::new(7);
    let mut takers = |refusing: &[u32]| {
        let mut takers = Vec::new();
        let taken = route.offer(&mut picker, |subscription| {
            let number = subscription.port.0;
            let takes = !refusing.contains(&number);
            takers.extend(takes.then_some(number));
            takes
        });
        assert_eq!(taken, takers.len());
        takers.sort_unstable();
        takers
    };
    let mut of_group = [0; 3];
    for _ in 0..300 {
        let takers = takers(&[]);
        assert_eq!(takers[1..], [4, 5, 6]);
        of_group[takers[0] as usize - 1] += 1;
    }
    assert!(of_group.iter().all(|&count| count > 50), "{of_group:?}");
    for _ in 0..20 {
        assert_eq!(takers(&[1, 3, 5]), [2, 4, 6]);
        assert_eq!(takers(&[1, 2, 3, 4]), [5, 6]);
    }
}

fn message<'a>(subject: &'a [u8], reply: Option<&'a [u8]>) -> Message<'a> {
    Message {
        subject,
        reply,
        header_bytes: 0,
        header_token: b"",
        total_token: b"0",
        tail: b"",
        body: Body::Borrowed(b"\r\n"),
        sender: 1,
        now: Monotonic::ZERO,
    }
}

#[test]
fn a_replaced_subscription_hands_over_with_what_it_counted() {
    let first = subscription(1, "a", None);
    first.set_limit(3);
    let mut finished = Vec::new();
    let mut offer = |subscription: &Arc<Subscription<Number>>| {
        let taken = subscription.offer(&message(b"a", None), &mut (), &mut finished);
        (taken, finished.len())
    };
    assert_eq!(offer(&first), (true, 0));
    let second = Arc::new(first.with_receiver(None));
    first.replace_by(Arc::clone(&second));
    let third = Arc::new(second.with_receiver(None));
    second.replace_by(Arc::clone(&third));
    assert_eq!(offer(&first), (true, 0));
    assert_eq!(offer(&second), (true, 1), "its third and last");
    assert_eq!(offer(&first), (false, 1));
    assert!(Arc::ptr_eq(&finished[0], &third));
}

#[test]
fn rules_let_a_message_through_and_grant_an_answer() {
    let rules = RulesSpec { deny: vec!["a.secret".to_owned()], ..RulesSpec::default() };
    let spec = PermissionsSpec { subscribe: Some(rules), ..PermissionsSpec::default() };
    let filter = Permissions::compile(&spec).expect("patterns");
    let receiver = Receiver { filter: Some(Arc::new(filter)), grants: Some(ReplyGrants::new(1, None)) };
    let receiver = Arc::new(receiver);
    let subscription = Arc::new(Subscription::new(Number(1), b"a.*", None, b"1", Some(Arc::clone(&receiver))));
    let offer = |subject: &[u8], reply: &[u8]| {
        let is_taken = subscription.offer(&message(subject, Some(reply)), &mut (), &mut Vec::new());
        let grants = receiver.grants.as_ref().expect("grants");
        (is_taken, grants.spend(reply, Monotonic::ZERO))
    };
    assert_eq!(offer(b"a.b", b"r"), (true, true));
    assert_eq!(offer(b"a.secret", b"r"), (false, false));
    assert_eq!(offer(b"a.b", b""), (true, false), "no subject to answer at");
}

#[test]
fn a_snapshot_outlives_later_changes() {
    let account = account();
    let first = subscription(1, "a", None);
    account.insert(Arc::clone(&first));
    account.publish();
    let before = account.interest();
    account.remove(&first);
    account.insert(subscription(2, "b", None));
    account.publish();
    assert!(before.is_interested(b"a") && !before.is_interested(b"b"));
    assert!(!account.is_interested(b"a") && account.is_interested(b"b"));
}

#[test]
fn numbers_count_what_happened() {
    let account = account();
    let first = subscription(1, "a", None);
    account.insert(Arc::clone(&first));
    account.insert(subscription(2, "b", None));
    account.remove(&first);
    account.publish();
    receivers(&account, "b");
    let statistics = account.statistics();
    assert_eq!((statistics.subscriptions, statistics.inserts, statistics.removes, statistics.matches), (1, 2, 1, 1));
}

#[test]
fn a_cached_value_is_found_until_interest_in_its_subject_changes() {
    let account = account();
    let mut cache = Cache::new(7);
    let keep = |cache: &mut Cache<u32>, subject: &[u8], value| {
        let place = account.generations.place(subject);
        cache.insert_with(subject, place, account.stamp(place), || (value, 1)).unwrap();
    };
    keep(&mut cache, b"a.b.c", 1);
    keep(&mut cache, b"x.y.z", 2);
    let value = |cache: &mut Cache<u32>, subject: &[u8]| cache.find(&account, subject).map(|found| *cache.value(found));
    assert_eq!((value(&mut cache, b"a.b.c"), value(&mut cache, b"x.y.z")), (Some(1), Some(2)));
    account.insert(subscription(1, "a.b.*", None));
    assert_eq!(value(&mut cache, b"a.b.c"), Some(1), "nobody sees the change yet");
    account.publish();
    assert_eq!((value(&mut cache, b"a.b.c"), value(&mut cache, b"x.y.z")), (None, Some(2)));
    cache.clear();
    assert!(cache.is_empty() && value(&mut cache, b"x.y.z").is_none());
}

/// Subjects that a full cache may hold.
const SUBJECTS_MAX: usize = 8192;

#[test]
fn a_cache_grows_to_its_maximum_and_then_admits_few() {
    let account = account();
    let mut cache = Cache::new(7);
    let mut refused = 0;
    for number in 0..200_000 {
        let subject = format!("subject.{number}").into_bytes();
        let place = account.generations.place(&subject);
        refused += usize::from(cache.insert_with(&subject, place, account.stamp(place), || (number, 1)).is_none());
    }
    let len = cache.len();
    assert!(len <= SUBJECTS_MAX && len > SUBJECTS_MAX / 2, "{len} subjects are kept");
    assert!(refused > 100_000, "{refused} of 200,000 were refused");
}

#[test]
fn a_small_set_of_subjects_is_kept_whole() {
    let account = account();
    let mut cache = Cache::new(7);
    let subjects: Vec<Vec<u8>> = (0..500).map(|number| format!("orders.{number}").into_bytes()).collect();
    let round = |cache: &mut Cache<()>| {
        let mut misses = 0;
        for subject in &subjects {
            if cache.find(&account, subject).is_none() {
                misses += 1;
                let place = account.generations.place(subject);
                let _ = cache.insert_with(subject, place, account.stamp(place), || ((), 1));
            }
        }
        misses
    };
    for _ in 0..20 {
        round(&mut cache);
    }
    let misses = round(&mut cache);
    assert!(misses < 25, "{misses} of 500 subjects push one another out");
}

#[test]
fn values_of_many_receivers_push_one_another_out() {
    let account = account();
    let mut cache = Cache::new(7);
    let mut keep = |number: u32, receivers: usize| {
        let subject = format!("a.{number}").into_bytes();
        let place = account.generations.place(&subject);
        cache.insert_with(&subject, place, account.stamp(place), || (number, receivers)).unwrap();
        (cache.len(), cache.find(&account, &subject).map(|found| *cache.value(found)))
    };
    assert_eq!(keep(1, 8_000), (1, Some(1)));
    assert_eq!(keep(2, 8_000), (2, Some(2)));
    assert_eq!(keep(2, 8_100), (2, Some(2)), "the same subject again counts once");
    assert_eq!(keep(3, 1_000), (1, Some(3)));
    assert_eq!(keep(4, 50_000), (1, Some(4)));
    assert_eq!(keep(5, 1), (1, Some(5)));
    assert_eq!(keep(6, 1), (2, Some(6)));
}

#[derive(Clone, Debug)]
enum Act {
    Subscribe(String, Option<&'static str>),
    Unsubscribe(usize),
    Publish,
    Find(String),
}

fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

fn act() -> impl Strategy<Value = Act> {
    let wild = prop::sample::select(vec!["a", "b", "c", "*"]);
    let pattern = (prop::collection::vec(wild, 1..4), any::<bool>()).prop_map(|(tokens, is_open)| {
        let tail = if is_open { ".>" } else { "" };
        tokens.join(".") + tail
    });
    let subject = prop::collection::vec(token(), 1..4).prop_map(|tokens| tokens.join("."));
    let queue = prop::sample::select(vec![None, None, Some("q"), Some("r")]);
    prop_oneof![
        2 => (pattern, queue).prop_map(|(pattern, queue)| Act::Subscribe(pattern, queue)),
        1 => any::<usize>().prop_map(Act::Unsubscribe),
        2 => Just(Act::Publish),
        5 => subject.prop_map(Act::Find),
    ]
}

proptest! {
    /// What the cache gives is what matching every visible subscription one by one gives.
    #[test]
    fn a_cache_hit_is_what_a_search_would_find(acts in prop::collection::vec(act(), 0..120)) {
        let account = account();
        let mut cache: Cache<(Vec<u32>, Vec<Vec<u32>>)> = Cache::new(3);
        let (mut staged, mut visible) = (Vec::new(), Vec::new());
        for (number, act) in (0..).zip(acts) {
            match act {
                Act::Subscribe(pattern, queue) => {
                    let subscription = subscription(number, &pattern, queue);
                    account.insert(Arc::clone(&subscription));
                    staged.push(subscription);
                }
                Act::Unsubscribe(index) => {
                    if let Some(index) = index.checked_rem(staged.len()) {
                        prop_assert!(account.remove(&staged.swap_remove(index)));
                    }
                }
                Act::Publish => {
                    account.publish();
                    visible = staged.clone();
                }
                Act::Find(subject) => {
                    let place = account.generations.place(subject.as_bytes());
                    let found = match cache.find(&account, subject.as_bytes()) {
                        Some(found) => found,
                        None => {
                            let stamp = account.stamp(place);
                            cache.insert_with(subject.as_bytes(), place, stamp, || (receivers(&account, &subject), 1)).unwrap()
                        }
                    };
                    prop_assert_eq!(cache.value(found), &matching(&visible, &subject));
                }
            }
        }
    }
}

fn matching(visible: &[Arc<Subscription<Number>>], subject: &str) -> (Vec<u32>, Vec<Vec<u32>>) {
    let matches = |queue: Option<&[u8]>| {
        let mut numbers: Vec<u32> = visible
            .iter()
            .filter(|one| one.queue() == queue && pattern::matches(one.subject(), subject.as_bytes()))
            .map(|one| one.port.0)
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let mut queues: Vec<Vec<u32>> = [b"q", b"r"].map(|queue| matches(Some(queue))).into();
    queues.retain(|members| !members.is_empty());
    queues.sort();
    (matches(None), queues)
}
