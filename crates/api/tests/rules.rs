//! Rules that need more than the request: other streams, limits of the account and of the server, great lengths.

use firn_api::{
    account::{AccountLimits, ServerLimits},
    consumer::{self, ConsumerConfig},
    error::ApiError,
    json, names,
    stream::{self, StreamConfig},
    time::Nanos,
};

/// What a check looks up.
#[derive(Default)]
struct World {
    server: ServerLimits,
    account: AccountLimits,
    streams: Vec<StreamConfig>,
    is_pedantic: bool,
    is_clustered: bool,
}

impl World {
    fn with_streams(configs: &[&str]) -> World {
        let streams = configs.iter().map(|config| World::default().stream(config).expect("a valid stream")).collect();
        World { streams, ..World::default() }
    }

    fn stream(&self, config: &str) -> Result<StreamConfig, ApiError> {
        let rules = stream::Rules {
            server: &self.server,
            account: &self.account,
            is_pedantic: self.is_pedantic,
            is_clustered: self.is_clustered,
            find: &|name| self.streams.iter().find(|stream| stream.name == name),
        };
        json::read_strict::<StreamConfig>(config.as_bytes()).expect("JSON").check(&rules)
    }

    fn consumer(&self, config: &str) -> Result<ConsumerConfig, ApiError> {
        let stream = World { server: ServerLimits::default(), ..World::default() }
            .stream(r#"{"name":"S"}"#)
            .expect("a valid stream");
        let rules = consumer::Rules {
            server: &self.server,
            account: &self.account,
            stream: &stream,
            is_pedantic: self.is_pedantic,
        };
        json::read_strict::<ConsumerConfig>(config.as_bytes()).expect("JSON").check(&rules)
    }

    #[track_caller]
    fn refuses(&self, config: &str, expected: &str) {
        assert_eq!(
            self.stream(config).map_err(|error| error.to_string()).expect_err("a broken rule"),
            expected,
            "{config}"
        );
    }
}

#[test]
fn a_mirror_takes_what_its_origin_sends() {
    let mut world = World::with_streams(&[r#"{"name":"M","max_msg_size":100,"allow_direct":true}"#]);
    world.refuses(
        r#"{"name":"S","mirror":{"name":"M"},"max_msg_size":99}"#,
        "stream mirror must have max message size >= source",
    );
    world.refuses(
        r#"{"name":"S","sources":[{"name":"M"}],"max_msg_size":99}"#,
        "stream source must have max message size >= target",
    );
    let mirror = world.stream(r#"{"name":"S","mirror":{"name":"M"},"max_msg_size":100}"#).unwrap();
    assert!(mirror.mirror_direct, "it answers direct gets because its origin does");
    world.is_pedantic = true;
    world.refuses(
        r#"{"name":"S","mirror":{"name":"M"}}"#,
        "pedantic mode: origin stream has direct get set, mirror has it disabled",
    );
}

#[test]
fn messages_do_not_go_round() {
    let world = World::with_streams(&[
        r#"{"name":"A","sources":[{"name":"B"}]}"#,
        r#"{"name":"B","mirror":{"name":"C"}}"#,
        r#"{"name":"D","subjects":["d"],"sources":[{"name":"S","filter_subject":"x"}]}"#,
    ]);
    world.refuses(r#"{"name":"C","sources":[{"name":"A"}]}"#, "detected cycle");
    world.refuses(r#"{"name":"C","mirror":{"name":"A"}}"#, "detected cycle");
    assert!(world.stream(r#"{"name":"E","sources":[{"name":"A"},{"name":"B"},{"name":"missing"}]}"#).is_ok());
    assert!(world.stream(r#"{"name":"S","sources":[{"name":"D"}]}"#).is_ok(), "D takes nothing that it brings");
    let elsewhere = r#"{"name":"C","sources":[{"name":"A","external":{"api":"$JS.hub.API","deliver":""}}]}"#;
    assert!(world.stream(elsewhere).is_ok(), "another domain has streams of the same name");
}

#[test]
fn messages_are_not_delivered_back_into_a_source() {
    let world =
        World::with_streams(&[r#"{"name":"A","subjects":["a.*"]}"#, r#"{"name":"B","subjects":[">"],"no_ack":true}"#]);
    let both = |name: &str| {
        format!(
            r#"{{"name":"S","sources":[{{"name":"{name}"}},{{"name":"X","external":{{"api":"x","deliver":"d"}}}}]}}"#
        )
    };
    assert!(world.stream(&both("A")).is_ok());
    world.refuses(&both("B"), "stream external delivery prefix d overlaps with stream subject >");
}

#[test]
fn limits_of_server_and_account_hold() {
    let mut world = World::default();
    world.server.duplicate_window = Nanos::from_secs(60);
    assert_eq!(world.stream(r#"{"name":"S"}"#).unwrap().duplicate_window, Nanos::from_secs(60));
    world.refuses(
        r#"{"name":"S","duplicate_window":61000000000}"#,
        "duplicates window can not be larger then server limit of 1m0s",
    );
    world.is_pedantic = true;
    world.refuses(r#"{"name":"S"}"#, "pedantic mode: duplicate window limits are higher than current limits");

    let account = AccountLimits {
        max_bytes_required: true,
        storage_max_stream_bytes: 100,
        memory_max_stream_bytes: 10,
        ..AccountLimits::unlimited()
    };
    let world = World { account, ..World::default() };
    world.refuses(r#"{"name":"S"}"#, "account requires a stream config to have max bytes set");
    world.refuses(r#"{"name":"S","max_bytes":101}"#, "stream max bytes exceeds account limit max stream bytes");
    let in_memory = r#"{"name":"S","max_bytes":11,"storage":"memory"}"#;
    world.refuses(in_memory, "stream max bytes exceeds account limit max stream bytes");
    assert!(world.stream(r#"{"name":"S","max_bytes":100}"#).is_ok());
}

#[test]
fn what_is_too_long_is_refused() {
    let world = World::default();
    let name = |length: usize| format!(r#"{{"name":"{}"}}"#, "n".repeat(length));
    assert!(world.stream(&name(255)).is_ok());
    world.refuses(&name(256), "stream name is too long, maximum allowed is 255");
    let description = |length: usize| format!(r#"{{"name":"S","description":"{}"}}"#, "d".repeat(length));
    assert!(world.stream(&description(4096)).is_ok());
    world.refuses(&description(4097), "stream description is too long, maximum allowed is 4096");
    let metadata = |length: usize| format!(r#"{{"name":"S","metadata":{{"k":"{}"}}}}"#, "v".repeat(length));
    assert!(world.stream(&metadata(131_071)).is_ok());
    world.refuses(&metadata(131_072), "stream metadata exceeds maximum size of 131072 bytes");
    assert_eq!(world.consumer(&description(4097)), Err(ApiError::ConsumerDescriptionTooLong { max: 4096 }));
    assert_eq!(world.consumer(&metadata(131_072)), Err(ApiError::ConsumerMetadataLength { limit: "128KB".into() }));
    let stream = world.stream(r#"{"name":"S"}"#).unwrap();
    let long = world.consumer(&name(256)).unwrap();
    assert_eq!(long.check_new(&stream), Err(ApiError::ConsumerNameTooLong { max: 255 }));
}

#[test]
fn a_consumer_keeps_within_the_limits_around_it() {
    let server = ServerLimits { max_ack_pending: 50, max_request_batch: 20, ..ServerLimits::default() };
    let mut world = World { server, ..World::default() };
    let explicit = r#"{"ack_policy":"explicit"}"#;
    let config = world.consumer(explicit).unwrap();
    assert_eq!((config.max_ack_pending, config.max_batch), (50, 20));
    let more = r#"{"ack_policy":"explicit","max_ack_pending":51}"#;
    assert_eq!(world.consumer(more), Err(ApiError::ConsumerMaxPendingAckExcess { limit: 50 }));
    let larger = r#"{"ack_policy":"explicit","max_batch":21}"#;
    assert_eq!(world.consumer(larger), Err(ApiError::ConsumerMaxRequestBatchExceeded { limit: 20 }));
    world.account.max_ack_pending = 30;
    assert_eq!(world.consumer(explicit).unwrap().max_ack_pending, 30);
    world.is_pedantic = true;
    let refused = world.consumer(r#"{"ack_policy":"explicit"}"#);
    assert_eq!(refused, Err(ApiError::pedantic("max_request_batch must be set if it's JetStream limits are set")));
}

#[test]
fn a_bound_push_keeps_its_target() {
    let world = World::default();
    let old = world.consumer(r#"{"deliver_subject":"d"}"#).unwrap();
    let new = world.consumer(r#"{"deliver_subject":"e"}"#).unwrap();
    assert_eq!(new.check_change(&old, false), Ok(()));
    assert_eq!(new.check_change(&old, true), Err(ApiError::ConsumerNameExist));
    assert_eq!(old.check_change(&old, true), Ok(()));
}

#[test]
fn a_consumer_keeps_what_its_requests_do_not_change() {
    let world = World::default();
    let by_time = r#"{"durable_name":"C","deliver_policy":"by_start_time","opt_start_time":"2024-01-01T00:00:00Z",
        "pause_until":"2099-01-01T00:00:00Z","sourcing":true}"#;
    let old = world.consumer(by_time).unwrap();
    let mut follows = world.consumer(r#"{"durable_name":"C","sourcing":true}"#).unwrap();
    follows.inherit(&old);
    assert_eq!(follows, old);
    let mut another = world.consumer(r#"{"durable_name":"C"}"#).unwrap();
    another.inherit(&old);
    assert_eq!((another.pause_until, another.opt_start_time), (old.pause_until, None));
}

#[test]
fn an_asset_says_which_level_it_needs() {
    #[track_caller]
    fn check(config: &str, expected: u64) {
        let mut config = World::default().stream(config).unwrap();
        assert_eq!(config.required_level(), expected);
        config.metadata.insert("_nats.ver".into(), "copied from an answer".into());
        config.stamp();
        assert_eq!(names::required_level(&config.metadata), Ok(expected));
        assert_eq!(config.metadata.len(), 1);
    }
    check(r#"{"name":"S"}"#, 0);
    check(r#"{"name":"S","subject_delete_marker_ttl":1000000000}"#, 1);
    check(r#"{"name":"S","allow_atomic":true,"allow_msg_ttl":true}"#, 2);
    check(r#"{"name":"S","allow_batched":true,"allow_atomic":true}"#, 4);
    let damaged = [("_nats.req.level".to_owned(), "x".to_owned())].into();
    assert_eq!(names::required_level(&damaged), Err("x"));
}
