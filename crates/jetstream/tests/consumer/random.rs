//! Anything in any order: a consumer beside a model that knows only what clients saw.

use std::{collections::BTreeMap, time::Duration};

use firn_api::subject::Ack as AckSubject;
use firn_jetstream::{consumer::start_sequence, messages::Filter};
use proptest::prelude::*;

use crate::harness::{World, config, ready};

const SUBJECTS: [&str; 4] = ["s.a", "s.b", "s.c.d", "t"];

const CONFIGS: [&str; 9] = [
    r#"{"durable_name":"C","ack_wait":100000000}"#,
    r#"{"durable_name":"C","filter_subject":"s.*","max_deliver":3,"backoff":[50000000,90000000]}"#,
    r#"{"durable_name":"C","filter_subjects":["s.a","t"],"max_ack_pending":3,"ack_wait":50000000}"#,
    r#"{"durable_name":"C","ack_policy":"all","max_deliver":2,"ack_wait":70000000}"#,
    r#"{"durable_name":"C","ack_policy":"none","filter_subject":"s.>"}"#,
    r#"{"durable_name":"C","deliver_policy":"last_per_subject","filter_subject":">"}"#,
    r#"{"durable_name":"C","deliver_policy":"last","max_waiting":3,"sample_freq":"30"}"#,
    r#"{"durable_name":"C","deliver_subject":"push","max_ack_pending":5,"ack_wait":60000000}"#,
    r#"{"durable_name":"C","deliver_subject":"push","ack_policy":"none","filter_subject":"s.a"}"#,
];

#[derive(Clone, Debug)]
enum Step {
    Put { subject: usize, count: usize },
    Pull { batch: usize, kind: usize },
    Ack { back: usize, kind: usize },
    Delete { at: u64 },
    Limit { at: u64 },
    Purge { at: u64 },
    Reset { at: u64 },
    Listen { is_there: bool },
    Update { max_ack_pending: usize },
    Pause { millis: u64 },
    Pass { millis: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..SUBJECTS.len(), 1_usize..8).prop_map(|(subject, count)| Step::Put { subject, count }),
        8 => (1_usize..9, 0_usize..4).prop_map(|(batch, kind)| Step::Pull { batch, kind }),
        12 => (0_usize..20, 0_usize..9).prop_map(|(back, kind)| Step::Ack { back, kind }),
        2 => (0_u64..60).prop_map(|at| Step::Delete { at }),
        1 => (0_u64..60).prop_map(|at| Step::Limit { at }),
        1 => (0_u64..60).prop_map(|at| Step::Purge { at }),
        1 => (0_u64..60).prop_map(|at| Step::Reset { at }),
        2 => any::<bool>().prop_map(|is_there| Step::Listen { is_there }),
        1 => (1_usize..9).prop_map(|max_ack_pending| Step::Update { max_ack_pending }),
        1 => (0_u64..90).prop_map(|millis| Step::Pause { millis }),
        5 => (0_u64..120).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
    ]
}

/// What clients saw.
#[derive(Default)]
struct Model {
    /// Sequences that wait for an acknowledgement, and how often they came.
    pending: BTreeMap<u64, u64>,
    /// Numbers and sequences of the last delivery.
    number: u64,
    last: u64,
    /// How many deliveries were looked at.
    seen: usize,
    is_acknowledged: bool,
    deliveries_max: u64,
    text: String,
}

impl Model {
    /// Looks at what was delivered since.
    fn look(&mut self, world: &mut World) {
        let mut said = Vec::new();
        world.take_effects("", &mut said);
        self.hear(world, &said);
    }

    fn hear(&mut self, world: &World, said: &[String]) {
        for subject in world.delivered.iter().skip(self.seen) {
            let ack = AckSubject::parse(subject.as_bytes()).expect("an ack subject");
            self.number += 1;
            assert_eq!(ack.consumer_seq, self.number, "no number is left out: {subject}");
            assert!(ack.deliveries <= self.deliveries_max, "more often than it may: {subject}");
            if ack.deliveries == 1 {
                assert!(ack.stream_seq > self.last, "the first time, they come in order: {subject}");
                self.last = ack.stream_seq;
                if self.is_acknowledged {
                    self.pending.insert(ack.stream_seq, 1);
                }
            } else {
                let before = self.pending.insert(ack.stream_seq, ack.deliveries);
                assert_eq!(before, Some(ack.deliveries - 1), "what was acknowledged came again: {subject}");
            }
        }
        self.seen = world.delivered.len();
        for line in said {
            if let Some(event) = line.split_once("MAX_DELIVERIES {\"stream_seq\":") {
                let sequence = event.1.split(',').next().expect("a number").parse().expect("a number");
                let times = self.pending.remove(&sequence);
                assert_eq!(times, Some(self.deliveries_max), "it was not sent often enough: {line}");
            }
        }
    }

    fn check(&mut self, world: &mut World) {
        let filter = world.consumer.as_ref().expect("a consumer").filter().clone();
        // What is lost may make room for more, which comes after an answer that shows it.
        world.call(|consumer, turn| consumer.deliver(turn));
        self.look(world);
        let info = ready(world.call(|consumer, turn| consumer.info(turn)));
        // What the stream lost, nobody waits for any more.
        self.pending.retain(|sequence, _| ready(world.messages.next(*sequence, &Filter::all())) == Some(*sequence));
        assert_eq!(info.num_ack_pending as usize, self.pending.len(), "{}", self.text);
        assert_eq!(info.num_redelivered as usize, self.pending.values().filter(|times| **times > 1).count());
        assert_eq!(info.delivered.consumer_seq, self.number);
        assert!(info.delivered.stream_seq >= self.last);
        assert!(self.pending.keys().next().is_none_or(|first| *first > info.ack_floor.stream_seq));
        if !self.text.contains("last_per_subject") {
            let left = ready(world.messages.count(info.delivered.stream_seq + 1, &filter));
            assert_eq!(info.num_pending, left, "{}", self.text);
        }
    }
}

fn subject(number: usize) -> &'static str {
    SUBJECTS.get(number % SUBJECTS.len()).expect("a remainder")
}

fn run(text: &str, before: usize, steps: Vec<Step>) {
    let mut world = World::default();
    for number in 0..before {
        world.publish(subject(number), "", "x");
    }
    let mut config = config(text);
    world.create(config.clone());
    let mut model = Model {
        is_acknowledged: !text.contains(r#""none""#),
        deliveries_max: u64::try_from(config.max_deliver).unwrap_or(u64::MAX),
        last: ready(start_sequence(&config, &world.messages)).sequence.saturating_sub(1),
        text: text.to_owned(),
        ..Model::default()
    };
    for step in steps {
        let mut said = Vec::new();
        match step {
            Step::Put { subject: number, count } => {
                for _ in 0..count {
                    world.publish(subject(number), "", "x");
                }
                world.call(|_, _| ());
            }
            Step::Pull { batch, kind } => {
                let rest = ["", r#","no_wait":true"#, r#","expires":80000000"#, r#","max_bytes":150"#];
                let rest = rest.get(kind).expect("one of four");
                world.pull("in", &format!(r#"{{"batch":{batch}{rest}}}"#));
            }
            Step::Ack { back, kind } => {
                let Some(subject) = world.delivered.iter().rev().nth(back).cloned() else { continue };
                let ack = AckSubject::parse(subject.as_bytes()).expect("an ack subject");
                let bodies = ["", "+ACK", "+TERM", "+NXT", "-NAK", "-NAK 30ms", "+WPI", "what", ""];
                let body = bodies.get(kind).expect("one of nine");
                // After a reset, an old acknowledgement is as good as a new one, as the reference server has it.
                if matches!(kind, 0..=3 | 8) && ack.stream_seq <= model.last {
                    if text.contains(r#""all""#) {
                        model.pending.retain(|sequence, _| *sequence > ack.stream_seq);
                    } else {
                        model.pending.remove(&ack.stream_seq);
                    }
                }
                world.ack(&subject, body, if kind % 2 == 0 { "" } else { "in" });
            }
            Step::Delete { at } => {
                if ready(world.messages.next(at, &Filter::all())) == Some(at) {
                    world.delete(at);
                }
            }
            Step::Limit { at } if at <= world.messages.next_sequence() => world.limit(at),
            Step::Purge { at } if at <= world.messages.next_sequence() => {
                world.limit(at);
                world.call(|consumer, turn| consumer.purged(turn, at));
                model.last = model.last.max(at.saturating_sub(1));
            }
            Step::Limit { .. } | Step::Purge { .. } => {}
            Step::Reset { at } => {
                if let Ok(next) = ready(world.call(|consumer, turn| consumer.reset(turn, Some(at)))) {
                    // What was sent by the same call belongs to the new count.
                    model.seen = world.delivered.len();
                    (model.pending, model.number, model.last) = (BTreeMap::new(), 0, next - 1);
                }
            }
            Step::Listen { is_there } => world.call(|consumer, turn| consumer.interest(turn, is_there)),
            Step::Update { max_ack_pending } => {
                if config.ack_policy != firn_api::consumer::AckPolicy::None {
                    config.max_ack_pending = max_ack_pending as isize;
                    let config = config.clone();
                    world.call(|consumer, turn| consumer.update(turn, &config));
                }
            }
            Step::Pause { millis } => drop(world.pause(Duration::from_millis(millis))),
            Step::Pass { millis } => world.pass(Duration::from_millis(millis), &mut said),
            Step::Restart => world.restart(),
        }
        model.hear(&world, &said);
        model.look(&mut world);
        model.check(&mut world);
        world.check_replay();
    }
}

proptest! {
    #[test]
    fn what_clients_saw_is_what_it_says_and_what_its_entries_give(
        which in 0..CONFIGS.len(),
        before in 0_usize..12,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        run(CONFIGS[which], before, steps);
    }
}
