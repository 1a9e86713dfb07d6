//! Whole sessions in memory: what is said to whom, by a clock that is moved.

use std::{sync::Arc, time::Duration};

use firn_auth::{
    account::AccountId,
    authenticate::{AuthorizationSpec, ConnectionTypes, Directory, DirectorySpec, Login, UserSpec},
    permission::{PermissionsSpec, ResponsesSpec, RulesSpec},
};
use firn_id::Monotonic;
use firn_subject::mapping::Mappings;
use firn_wire::client::info::Info;
use proptest::prelude::*;

use crate::{
    Accounts, CloseReason, Settings,
    memory::{MemoryClient, MemoryPort},
};

fn settings(directory: &DirectorySpec) -> Settings {
    Settings {
        info: Info { proto: 1, headers: true, ..Info::default() },
        directory: Arc::new(Directory::new(directory).unwrap()),
        mappings: Mappings::default(),
        payload_bytes_max: 100_000,
        control_line_bytes_max: 4096,
        subscriptions_max: None,
        subject_tokens_max: None,
        headers: true,
        authentication_timeout: Duration::from_secs(2),
        ping_interval: Duration::from_secs(120),
        pings_out_max: 2,
    }
}

/// Users `u` (password `p`) with these permissions, and `all`, who may do everything.
fn users(permissions: PermissionsSpec) -> DirectorySpec {
    let user = |name: &str, permissions| UserSpec {
        login: Login::Password { user: name.to_owned(), password: Some("p".into()) },
        permissions,
        connection_types: ConnectionTypes::NONE,
        proxy_required: false,
    };
    DirectorySpec {
        authorization: Some(AuthorizationSpec {
            users: Some(vec![user("u", Some(permissions)), user("all", None)]),
            ..AuthorizationSpec::default()
        }),
        ..DirectorySpec::default()
    }
}

struct World {
    settings: Arc<Settings>,
    accounts: Arc<Accounts<MemoryPort>>,
    now: Monotonic,
    last_id: u64,
}

impl World {
    fn new(settings: Settings) -> World {
        World {
            settings: Arc::new(settings),
            accounts: Arc::new(Accounts::new(7, || {})),
            now: Monotonic::ZERO,
            last_id: 0,
        }
    }

    fn open() -> World {
        World::new(settings(&DirectorySpec::default()))
    }

    /// A client that has been greeted and says this.
    fn connect(&mut self, says: &str) -> MemoryClient {
        self.last_id += 1;
        let mut client = MemoryClient::connect(&self.settings, &self.accounts, self.last_id, None, self.now);
        assert!(client.take().starts_with(b"INFO {"));
        client.send(says.as_bytes(), self.now);
        client
    }

    /// What the client hears once it has said this.
    fn say(&self, client: &mut MemoryClient, says: &str) -> String {
        client.send(says.as_bytes(), self.now);
        heard(client)
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Moves the clock to the client's deadline and ticks; gives back how long that took and what it heard.
    fn pass_deadline(&mut self, client: &mut MemoryClient) -> (Duration, String) {
        let deadline = client.deadline().expect("the client is open");
        let waited = deadline.since(self.now);
        self.now = deadline;
        client.tick(self.now);
        (waited, heard(client))
    }
}

fn heard(client: &mut MemoryClient) -> String {
    String::from_utf8(client.take()).unwrap()
}

const CONNECT: &str = "CONNECT {\"verbose\":false}\r\n";

#[test]
fn who_does_not_sign_in_in_time_is_told_and_closed() {
    let mut world = World::new(settings(&users(PermissionsSpec::default())));
    let mut client = world.connect("");
    let (waited, said) = world.pass_deadline(&mut client);
    assert_eq!((waited, said.as_str()), (Duration::from_secs(2), "-ERR 'Authentication Timeout'\r\n"));
    assert_eq!(client.end().unwrap().reason, CloseReason::AuthenticationTimeout);
}

#[test]
fn who_has_signed_in_or_need_not_is_not_timed_out() {
    for (directory, says) in [
        (DirectorySpec::default(), ""),
        (users(PermissionsSpec::default()), "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n"),
    ] {
        let mut world = World::new(settings(&directory));
        let mut client = world.connect(says);
        world.pass(Duration::from_secs(2));
        client.tick(world.now);
        assert_eq!((client.end(), heard(&mut client).contains("Timeout")), (None, false));
    }
}

#[test]
fn until_it_is_measured_the_round_trip_is_how_long_connect_took_to_come() {
    let mut world = World::open();
    let mut client = world.connect("");
    assert_eq!((client.session().round_trip(), client.session().has_sent_connect()), (None, false));
    world.pass(Duration::from_millis(20));
    world.say(&mut client, CONNECT);
    assert_eq!(client.session().round_trip(), Some(Duration::from_millis(20)));
    assert!(client.session().has_sent_connect());
}

#[test]
fn the_first_ping_measures_and_unanswered_ones_end_the_connection() {
    let mut world = World::open();
    let mut client = world.connect(CONNECT);
    let (waited, said) = world.pass_deadline(&mut client);
    assert!((Duration::from_secs(2)..Duration::from_millis(2400)).contains(&waited), "{waited:?}");
    assert_eq!(said, "PING\r\n");
    world.pass(Duration::from_millis(30));
    assert_eq!(world.say(&mut client, "PONG\r\n"), "");
    assert_eq!(client.session().round_trip(), Some(Duration::from_millis(30)));
    // Measured and heard of lately: left alone once, then asked.
    assert_eq!(world.pass_deadline(&mut client).1, "");
    assert_eq!(world.pass_deadline(&mut client).1, "PING\r\n");
    assert_eq!(world.pass_deadline(&mut client).1, "PING\r\n");
    assert_eq!(world.pass_deadline(&mut client).1, "-ERR 'Stale Connection'\r\n");
    assert_eq!(client.end().unwrap().reason, CloseReason::StaleConnection);
}

#[test]
fn the_second_info_comes_once_after_the_first_pong_and_asks_for_no_signature() {
    let world = World::open();
    let mut client = MemoryClient::connect(&world.settings, &world.accounts, 1, Some("sign-this"), world.now);
    assert!(heard(&mut client).contains("sign-this"));
    assert_eq!(world.say(&mut client, "PING\r\n"), "PONG\r\n");
    let said = world.say(&mut client, "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n");
    assert!(said.starts_with("PONG\r\nINFO {") && said.contains("\"connect_info\":true"), "{said}");
    assert!(!said.contains("sign-this"), "{said}");
    let again = "CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n";
    assert_eq!(world.say(&mut client, again), "PONG\r\n");
}

/// What one client hears that says all this in one piece after its `CONNECT`.
fn check(connect: &str, says: &str, expected: &str) {
    let mut world = World::open();
    let mut client = world.connect("");
    let text = format!("CONNECT {{{connect}\"verbose\":false}}\r\n{says}");
    assert_eq!(world.say(&mut client, &text), expected, "{says:?}");
}

#[test]
fn an_unsubscribe_counts_from_the_beginning() {
    check("", "SUB a 1\r\nUNSUB 1\r\nPUB a 0\r\n\r\n", "");
    check("", "SUB a 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n", "MSG a 1 0\r\n\r\n");
    let said = "SUB a 1\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nUNSUB 1 2\r\nPUB a 0\r\n\r\n";
    check("", said, "MSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\n");
    check(
        "",
        "SUB a 1\r\nUNSUB 1 1\r\nUNSUB 1 2\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n",
        &"MSG a 1 0\r\n\r\n".repeat(2),
    );
}

#[test]
fn a_sid_is_free_again_as_soon_as_its_subscription_took_its_last() {
    let said = "SUB a 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nSUB b 1\r\nPUB b 0\r\n\r\n";
    check("", said, "MSG a 1 0\r\n\r\nMSG b 1 0\r\n\r\n");
}

#[test]
fn who_wants_no_echo_hears_nothing_of_its_own() {
    check("", "SUB a 1\r\nPUB a 0\r\n\r\n", "MSG a 1 0\r\n\r\n");
    check("\"echo\":false,", "SUB a 1\r\nSUB a q 2\r\nPUB a 0\r\n\r\n", "");
}

#[test]
fn a_queue_group_passes_over_a_member_that_wants_no_echo() {
    let mut world = World::open();
    let mut other = world.connect("CONNECT {\"verbose\":false}\r\nSUB a q 1\r\n");
    let mut client = world.connect("CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a q 1\r\n");
    assert_eq!(world.say(&mut client, &"PUB a 0\r\n\r\n".repeat(50)), "");
    assert_eq!(heard(&mut other), "MSG a 1 0\r\n\r\n".repeat(50));
}

#[test]
fn a_requester_learns_that_nobody_is_there() {
    let (no_responders, request) = ("\"headers\":true,\"no_responders\":true,", "SUB r 1\r\nPUB a r 0\r\n\r\n");
    check(no_responders, request, "HMSG r 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n");
    check("\"headers\":true,", request, "");
    check(no_responders, "SUB r q 1\r\nPUB a r 0\r\n\r\n", "");
    let mut world = World::open();
    let mut client = world.connect("CONNECT {\"verbose\":false,\"no_responders\":true,\"headers\":false}\r\n");
    assert_eq!(heard(&mut client), "-ERR 'no responders requires headers support'\r\n");
    assert_eq!(client.end().unwrap().reason, CloseReason::NoRespondersRequiresHeaders);
}

#[test]
fn headers_that_were_not_agreed_on_end_the_connection_without_a_word() {
    let mut world = World::open();
    let mut client = world.connect("CONNECT {\"verbose\":false}\r\nHPUB a 2 2\r\nhh\r\n");
    assert_eq!((heard(&mut client).as_str(), client.end().unwrap().reason), ("", CloseReason::ProtocolViolation));
}

#[test]
fn a_limit_of_subscriptions_is_told_and_given_back() {
    let mut world = World::new(Settings { subscriptions_max: Some(1), ..settings(&DirectorySpec::default()) });
    let mut client = world.connect(CONNECT);
    assert_eq!(world.say(&mut client, "SUB a 1\r\nSUB b 2\r\n"), "-ERR 'maximum subscriptions exceeded'\r\n");
    assert_eq!(world.say(&mut client, "UNSUB 1\r\nSUB b 2\r\n"), "");
}

fn permissions(publish_allow: &str, subscribe_deny: &str, responses: bool) -> PermissionsSpec {
    PermissionsSpec {
        publish: Some(RulesSpec { allow: Some(vec![publish_allow.to_owned()]), deny: Vec::new() }),
        subscribe: Some(RulesSpec { allow: None, deny: vec![subscribe_deny.to_owned()] }),
        responses: responses.then_some(ResponsesSpec { max: 1, expires: Some(Duration::from_secs(1)) }),
    }
}

const U: &str = "CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\"}\r\n";
const ALL: &str = "CONNECT {\"verbose\":false,\"user\":\"all\",\"pass\":\"p\"}\r\n";

#[test]
fn a_responder_may_answer_as_often_and_as_long_as_it_was_granted() {
    let mut world = World::new(settings(&users(permissions("none", "none", true))));
    let mut responder = world.connect(U);
    let mut asker = world.connect(ALL);
    assert_eq!(world.say(&mut responder, "SUB ask 1\r\n"), "");
    assert_eq!(world.say(&mut asker, "SUB answer 1\r\nPUB ask answer 0\r\n\r\n"), "");
    let denied = "-ERR 'Permissions Violation for Publish to \"answer\"'\r\n";
    let answers = world.say(&mut responder, &"PUB answer 0\r\n\r\n".repeat(2));
    assert_eq!(answers, format!("MSG ask 1 answer 0\r\n\r\n{denied}"));
    assert_eq!(heard(&mut asker), "MSG answer 1 0\r\n\r\n");
    world.say(&mut asker, "PUB ask answer 0\r\n\r\n");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.say(&mut responder, "PUB answer 0\r\n\r\n"), format!("MSG ask 1 answer 0\r\n\r\n{denied}"));
}

#[test]
fn a_wildcard_hears_nothing_of_what_is_denied() {
    let mut world = World::new(settings(&users(permissions("none", "a.secret", false))));
    let mut client = world.connect(U);
    let mut publisher = world.connect(ALL);
    assert_eq!(world.say(&mut client, "SUB a.* 1\r\n"), "");
    world.say(&mut publisher, "PUB a.secret 0\r\n\r\nPUB a.open 0\r\n\r\n");
    assert_eq!(heard(&mut client), "MSG a.open 1 0\r\n\r\n");
}

#[test]
fn a_reload_takes_away_what_is_no_longer_allowed() {
    let mut world = World::new(settings(&users(permissions(">", "none", false))));
    let mut client = world.connect(U);
    assert_eq!(world.say(&mut client, "SUB a 1\r\nSUB b.* 2\r\nSUB c q 3\r\n"), "");
    world.settings = Arc::new(settings(&users(PermissionsSpec {
        publish: Some(RulesSpec { allow: Some(vec!["b.*".to_owned()]), deny: Vec::new() }),
        subscribe: Some(RulesSpec { allow: None, deny: vec!["a".to_owned(), "b.x".to_owned(), "c".to_owned()] }),
        responses: None,
    })));
    client.reload(&world.settings, world.now);
    let said = heard(&mut client);
    for text in ["to \"a\" (sid \"1\")", "to \"c\" using queue \"q\" (sid \"3\")"] {
        assert!(said.contains(&format!("-ERR 'Permissions Violation for Subscription {text}'\r\n")), "{said}");
    }
    let said = world.say(&mut client, "PUB b.y 0\r\n\r\nPUB b.x 0\r\n\r\nPUB a 0\r\n\r\n");
    assert_eq!(said, "MSG b.y 2 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"a\"'\r\n");
}

#[test]
fn a_reload_closes_who_is_gone_without_a_word_and_tells_who_is_refused() {
    let mut world = World::new(settings(&users(PermissionsSpec::default())));
    let mut gone = world.connect(U);
    let mut kept = world.connect(ALL);
    let mut directory = users(PermissionsSpec::default());
    let listed = directory.authorization.as_mut().unwrap().users.as_mut().unwrap();
    listed.remove(0);
    world.settings = Arc::new(settings(&directory));
    gone.reload(&world.settings, world.now);
    kept.reload(&world.settings, world.now);
    assert_eq!((heard(&mut gone).as_str(), gone.end().unwrap().reason), ("", CloseReason::ClientClosed));
    assert_eq!(kept.end(), None);
    let listed = directory.authorization.as_mut().unwrap().users.as_mut().unwrap();
    listed[0].login = Login::Password { user: "all".to_owned(), password: Some("changed".into()) };
    kept.reload(&Arc::new(settings(&directory)), world.now);
    assert_eq!(heard(&mut kept), "-ERR 'Authorization Violation'\r\n");
}

#[test]
fn who_stands_in_for_others_may_begin_without_connect() {
    let directory = DirectorySpec { no_auth_user: Some("u".to_owned()), ..users(permissions("a", "none", false)) };
    let mut world = World::new(settings(&directory));
    let mut client = world.connect("");
    let said = world.say(&mut client, "SUB > 1\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n");
    // Before a `CONNECT` says otherwise a client is told of its successes.
    let expected = "+OK\r\n+OK\r\nMSG a 1 0\r\n\r\n-ERR 'Permissions Violation for Publish to \"b\"'\r\n";
    assert_eq!(said, expected);
    let mut silent = world.connect("");
    assert_eq!(world.pass_deadline(&mut silent).1, "-ERR 'Authentication Timeout'\r\n");
    assert_eq!(client.session().account().id, AccountId::GLOBAL);
}

/// Publishes of sizes around the one from which bodies are gathered apart.
fn publishes() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![0_usize..40, 4080_usize..4110, 9000_usize..9010];
    let publish = (size, any::<bool>()).prop_map(|(size, has_header)| {
        let mut bytes =
            if has_header { format!("HPUB a r {} {size}\r\n", size / 2) } else { format!("PUB a {size}\r\n") };
        bytes.extend((0..size).map(|index| char::from(b'a' + u8::try_from(index % 26).unwrap())));
        bytes + "\r\n"
    });
    prop::collection::vec(publish, 1..6).prop_map(|all| all.concat().into_bytes())
}

fn run_split(stream: &[u8], lengths: &[usize], in_place: bool) -> Vec<u8> {
    let mut world = World::open();
    let mut client = world.connect("CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB a 1\r\nSUB a 2\r\n");
    let (mut rest, mut lengths) = (stream, lengths.iter().cycle());
    while !rest.is_empty() {
        let length = lengths.next().map_or(rest.len(), |&length| length.clamp(1, rest.len()));
        let (now, later) = rest.split_at(length);
        if in_place {
            client.send_in_place(now, world.now)
        } else {
            client.send(now, world.now)
        }
        rest = later;
    }
    client.take()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_a_stream_is_cut_changes_nothing(
        stream in publishes(),
        lengths in prop::collection::vec(1_usize..6000, 1..8),
        in_place: bool,
    ) {
        prop_assert_eq!(run_split(&stream, &lengths, in_place), run_split(&stream, &[], false));
    }

    #[test]
    fn a_run_of_messages_is_what_they_are_one_by_one(
        operations in operations(),
        echo: bool,
        pause in prop::sample::select(vec![1, 10, usize::MAX]),
    ) {
        let at_once = run_at_once_or_apart(&operations, echo, pause, true);
        prop_assert_eq!(at_once, run_at_once_or_apart(&operations, echo, usize::MAX, false));
    }

    #[test]
    fn any_bytes_satisfy_the_invariants(data in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::session(&data);
    }

    #[test]
    fn mostly_right_bytes_satisfy_the_invariants(
        pieces in prop::collection::vec((any::<u8>(), prop::sample::select(PIECES.to_vec())), 0..40),
    ) {
        let piece = |(step, text): &(u8, &str)| [&[*step, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let data: Vec<u8> = pieces.iter().flat_map(piece).collect();
        crate::fuzzing::session(&data);
    }
}

/// Bcrypt of `right`, as cheap as it gets.
const HASH: &str = "$2a$04$k.Kfpqa00vP0kjiNDe3iL./2M7KbTMO9wlC51FRVC/YfCFaqRx/xq";

#[test]
fn nothing_is_done_in_anybodys_name_while_a_password_is_checked() {
    let hashed = UserSpec {
        login: Login::Password { user: "u".to_owned(), password: Some(HASH.into()) },
        permissions: None,
        connection_types: ConnectionTypes::NONE,
        proxy_required: false,
    };
    let directory = DirectorySpec {
        authorization: Some(AuthorizationSpec { users: Some(vec![hashed]), ..AuthorizationSpec::default() }),
        ..DirectorySpec::default()
    };
    let mut settings = settings(&directory);
    settings.ping_interval = Duration::from_secs(1);
    let mut world = World::new(settings);
    let mut client = world.connect("");
    client.hold_checks();
    client.send(b"CONNECT {\"user\":\"u\",\"pass\":\"wrong\"}\r\nSUB > 1\r\nPUB a 0\r\n\r\nPING\r\n", world.now);
    for _ in 0..2 {
        assert_eq!(world.say(&mut client, "SUB > 2\r\nPUB a 0\r\n\r\nPING\r\n"), "");
        // A ping may be due before the outcome is.
        world.pass(Duration::from_secs(1));
        client.tick(world.now);
        client.take();
    }
    assert_eq!(client.session().subscription_count(), 0);
    assert!(!client.session().is_signed_in());
    client.verified_late(world.now);
    assert_eq!(heard(&mut client), "-ERR 'Authentication Timeout'\r\n");
    assert_eq!(client.end().unwrap().reason, CloseReason::AuthenticationTimeout);

    let mut right = world.connect("CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"right\"}\r\n");
    assert!(right.session().is_signed_in());
    // Who matched this hash before is not asked again, whatever else changes in the list of users.
    right.hold_checks();
    right.reload(&world.settings, world.now);
    assert_eq!(world.say(&mut right, "PING\r\n"), "PONG\r\n");
}

#[test]
fn a_reload_judges_those_too_who_never_sent_connect() {
    let mut world = World::open();
    let mut client = world.connect("SUB > 1\r\n");
    world.settings = Arc::new(settings(&users(PermissionsSpec::default())));
    client.reload(&world.settings, world.now);
    assert_eq!(client.end().unwrap().reason, CloseReason::AuthenticationViolation);

    let with_stand_in = |permissions| {
        let mut directory = users(permissions);
        directory.no_auth_user = Some("u".to_owned());
        Arc::new(settings(&directory))
    };
    world.settings = with_stand_in(PermissionsSpec::default());
    let mut client = world.connect("SUB secret 1\r\nPING\r\n");
    assert!(client.end().is_none());
    client.take();
    let only = |subject: &str| RulesSpec { allow: Some(vec![subject.to_owned()]), deny: Vec::new() };
    let few = PermissionsSpec { publish: Some(only("ok")), subscribe: Some(only("ok")), ..PermissionsSpec::default() };
    client.reload(&with_stand_in(few), world.now);
    assert_eq!(client.session().subscription_count(), 0);
    let said = world.say(&mut client, "PUB secret 0\r\n\r\n");
    assert!(said.contains("Permissions Violation for Publish"), "{said}");
}

#[test]
fn who_signs_in_elsewhere_leaves_nothing_in_the_account_before() {
    let mut world = World::open();
    let mut client = world.connect("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n");
    let account = Arc::clone(world.accounts.global());
    assert_eq!(account.interest().len(), 1);
    client.send(CONNECT.as_bytes(), world.now);
    assert_eq!(account.interest().len(), 0);
}

#[test]
fn a_granted_publish_may_not_ask_for_reserved_replies() {
    let responses = Some(ResponsesSpec { max: 0, expires: None });
    let only = RulesSpec { allow: Some(vec!["ask".to_owned()]), deny: Vec::new() };
    let mut world =
        World::new(settings(&users(PermissionsSpec { publish: Some(only), responses, ..PermissionsSpec::default() })));
    let sign_in =
        |user: &str| format!("CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{user}\",\"pass\":\"p\"}}\r\n");
    let mut responder = world.connect(&(sign_in("u") + "SUB ask 1\r\n"));
    let mut requester = world.connect(&(sign_in("all") + "SUB answer 1\r\n"));
    requester.send(b"PUB ask answer 0\r\n\r\n", world.now);
    responder.take();
    let said = world.say(&mut responder, "PUB answer $JS.ACK.x 2\r\nhi\r\n");
    assert!(said.contains("Publish with Reply of"), "{said}");
    assert_eq!(heard(&mut requester), "");
}

/// What three receivers of one publisher see, who are the publisher and two others; each operation comes by itself, or
/// all at once, when messages to one subject are delivered as a run.
fn run_at_once_or_apart(operations: &[&str], echo: bool, pause: usize, is_at_once: bool) -> Vec<Vec<u8>> {
    let mut world = World::open();
    let mut others = ["\"headers\":true", "\"headers\":false"]
        .map(|headers| world.connect(&format!("CONNECT {{\"verbose\":false,\"pedantic\":false,{headers}}}\r\n")));
    let [first, second] = &mut others;
    first.send(b"SUB a 1\r\nSUB c.* 2\r\n", world.now);
    second.send(b"SUB a 1\r\nUNSUB 1 7\r\nSUB b 2\r\nSUB b q 3\r\nSUB c.* 4\r\nSUB c.c 5\r\n", world.now);
    let connect = format!("CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"echo\":{echo}}}\r\n");
    let mut publisher = world.connect(&connect);
    publisher.pause_after(pause);
    if is_at_once {
        publisher.send(operations.concat().as_bytes(), world.now);
    } else {
        operations.iter().for_each(|operation| publisher.send(operation.as_bytes(), world.now));
    }
    [&mut publisher, first, second].map(MemoryClient::take).into()
}

/// Most repeat the one before, as publishers do.
fn operations() -> impl Strategy<Value = Vec<&'static str>> {
    let times = prop_oneof![3 => 1_usize..3, 1 => 1_usize..80];
    let some = (prop::sample::select(OPERATIONS.to_vec()), times);
    let repeat = |(operation, times)| std::iter::repeat_n(operation, times);
    prop::collection::vec(some, 1..12).prop_map(move |all| all.into_iter().flat_map(repeat).collect())
}

const OPERATIONS: [&str; 14] = [
    "PUB a 1\r\n1\r\n",
    "PUB a 2\r\n22\r\n",
    "HPUB a 14 15\r\nNATS/1.0\r\n\r\n\r\n3\r\n",
    "PUB a reply 1\r\n4\r\n",
    "PUB  a  01\r\n5\r\n",
    "PUB b 1\r\n6\r\n",
    "PUB c.c 1\r\n7\r\n",
    "PUB c.d 1\r\n8\r\n",
    "PUB nobody 1\r\n9\r\n",
    "SUB a 7\r\n",
    "SUB > 8\r\n",
    "UNSUB 7\r\n",
    "UNSUB 8 20\r\n",
    "PING\r\n",
];

const PIECES: [&str; 12] = [
    "CONNECT {\"verbose\":true,\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n",
    "CONNECT {\"echo\":false}\r\n",
    "SUB a 1\r\n",
    "SUB a q 2\r\n",
    "SUB > 3\r\nUNSUB 3 2\r\n",
    "UNSUB 1\r\n",
    "PUB a 2\r\nhi\r\n",
    "PUB b r 2\r\nhi\r\n",
    "HPUB a 2 4\r\nhhpp\r\n",
    "PING\r\n",
    "PONG\r\n",
    "PUB a 5000\r\nxxxx",
];

#[test]
fn a_body_cut_at_each_byte_is_the_same_body() {
    let stream = [b"PUB a 4200\r\n".as_slice(), &[b'x'; 4200], b"\r\nPUB a 1\r\ny\r\n"].concat();
    let whole = run_split(&stream, &[], false);
    for cut in (1..stream.len()).step_by(7) {
        assert_eq!(run_split(&stream, &[cut, stream.len()], cut % 2 == 0), whole, "cut at {cut}");
    }
}
