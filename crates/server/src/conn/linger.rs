//! A short look before a worker thread sleeps.
//!
//! Where clients talk one at a time (a request, its reply, the next request), most of a round trip is threads being put
//! to sleep and woken. So a worker whose last turns were all answers to what it had just written looks at those sockets a
//! little longer before it sleeps, as long as that has lately been worth it: the way a hypervisor waits for an idle guest.
//!
//! One-way traffic never waits here, since its receivers do not answer, nor does a worker with more than a few clients. And
//! where answers come to several workers by turns, one that looked would look in vain: another is woken for the same bytes.
//! The measurements behind it are in docs/adr/0007.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use firn_id::Monotonic;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smallvec::SmallVec;
use tokio::runtime;

use super::{client::Client, worker};
use crate::clock;

/// Clients written to lately whose answers are waited for.
const AWAITED_MAX: usize = 4;
/// Answers in a row from which on more are expected.
const STREAK_MIN: u32 = 4;
/// Bytes of an answer at most; what brings more is bound by throughput.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
/// Longest look: a waiting time above it gains little from not sleeping.
const PATIENCE: Duration = Duration::from_micros(200);
/// Bytes can be read a little before the system tells those who wait for them; whoever went to sleep in between would be
/// woken at once, at the full price.
const SETTLING: Duration = Duration::from_micros(3);
/// Looks in vain before the thread sleeps at once; a short wait makes it look again.
const MISSES_MAX: u32 = 4;

/// The worker that had the latest turn of a dialogue. Only a hint, so one for the process is enough.
static LATEST: AtomicUsize = AtomicUsize::new(0);
static NEXT_WORKER: AtomicUsize = AtomicUsize::new(1);

/// What a worker remembers of its last turns.
#[derive(Debug)]
pub(crate) struct Linger {
    worker: usize,
    latest: &'static AtomicUsize,
    /// Written to lately, the latest last.
    awaited: SmallVec<[Arc<Client>; AWAITED_MAX]>,
    /// Turns in a row that were answers, and that no other worker had one between.
    streak: u32,
    /// Waits that were longer than a look, less those that were not.
    misses: u32,
    /// When the thread began to wait.
    since: Option<Monotonic>,
}

impl Default for Linger {
    fn default() -> Self {
        Linger::beside(&LATEST)
    }
}

impl Linger {
    /// One of the workers that share `latest`.
    fn beside(latest: &'static AtomicUsize) -> Linger {
        let worker = NEXT_WORKER.fetch_add(1, Relaxed);
        Linger { worker, latest, awaited: SmallVec::new(), streak: 0, misses: 0, since: None }
    }

    /// A turn of `client` that read `bytes` and is about to write to `touched`.
    #[inline]
    pub(crate) fn turn(&mut self, client: &Arc<Client>, bytes: usize, touched: &[Arc<Client>]) {
        if bytes > ANSWER_BYTES_MAX || touched.len() > 1 {
            self.streak = 0;
            self.awaited.clear();
            return;
        }
        let is_in_line = self.is_latest() && self.awaits(client);
        self.streak = if is_in_line { self.streak.saturating_add(1) } else { 0 };
        if !is_in_line {
            self.latest.store(self.worker, Relaxed);
        }
        if let Some(touched) = touched.first()
            && !self.awaits(touched)
        {
            self.await_answer(touched);
        }
    }

    fn is_latest(&self) -> bool {
        self.latest.load(Relaxed) == self.worker
    }

    fn awaits(&self, client: &Arc<Client>) -> bool {
        self.awaited.iter().any(|awaited| Arc::ptr_eq(awaited, client))
    }

    fn await_answer(&mut self, client: &Arc<Client>) {
        if client.outbox.socket().is_none() {
            // Its own task reads and decrypts; there is nothing to look at from outside.
            return;
        }
        if self.awaited.len() == AWAITED_MAX {
            self.awaited.remove(0);
        }
        self.awaited.push(Arc::clone(client));
    }

    /// Whether an answer is likely to come soon.
    fn is_worth_it(&self) -> bool {
        self.streak >= STREAK_MIN && self.misses < MISSES_MAX
    }

    /// What came of a wait for an answer.
    fn learn(&mut self, waited: Duration) {
        self.misses = if waited <= PATIENCE { self.misses.saturating_sub(1) } else { MISSES_MAX.min(self.misses + 1) };
    }

    /// The thread found nothing to do.
    fn before_sleep(&mut self) {
        if self.streak >= STREAK_MIN {
            let begin = clock::monotonic();
            self.since = Some(begin);
            if self.is_worth_it() {
                self.look(begin);
            }
        }
    }

    /// Until one of the sockets can be read, for as long as that is likely soon.
    fn look(&self, begin: Monotonic) {
        let sockets: SmallVec<[_; AWAITED_MAX]> = self.awaited.iter().map(|client| client.outbox.socket()).collect();
        let mut fds: SmallVec<[PollFd<'_>; AWAITED_MAX]> = sockets
            .iter()
            .filter_map(|socket| socket.as_ref())
            .map(|socket| PollFd::new(AsRef::<tokio::net::TcpStream>::as_ref(&**socket), PollFlags::IN))
            .collect();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        while self.is_latest() {
            let now = clock::monotonic();
            if now.since(begin) >= PATIENCE {
                return;
            }
            if poll(&mut fds, Some(&at_once)) != Ok(0) {
                while clock::monotonic().since(now) < SETTLING {
                    std::hint::spin_loop();
                }
                return;
            }
            // Who is to answer may wait for this very processor.
            std::thread::yield_now();
        }
    }

    /// Something woke the thread.
    fn after_sleep(&mut self) {
        if let Some(since) = self.since.take() {
            self.learn(clock::monotonic().since(since));
        }
    }
}

/// Has the worker threads of a runtime look before they sleep.
pub(crate) fn install(builder: &mut runtime::Builder) {
    builder
        .on_thread_park(|| worker::with(|worker| worker.linger.before_sleep()))
        .on_thread_unpark(|| worker::with(|worker| worker.linger.after_sleep()));
}

#[cfg(test)]
mod tests {
    use firn_config::Options;
    use firn_id::Timestamp;
    use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf};

    use super::*;
    use crate::{
        conn::{client::Counters, outbox::Outbox},
        harness,
        state::State,
    };

    /// A worker with nobody beside it: the process has other tests, and their connections have turns.
    fn alone() -> Linger {
        Linger::beside(Box::leak(Box::default()))
    }

    /// The beginning of a look that would not end within an hour.
    fn far_future() -> Monotonic {
        Monotonic::from_nanos(clock::monotonic().as_nanos() + 3_600_000_000_000)
    }

    /// A client, and what keeps its socket open.
    struct Peer {
        client: Arc<Client>,
        _near: Option<OwnedReadHalf>,
        far: Option<TcpStream>,
    }

    fn peer(state: &State, outbox: Outbox, near: Option<OwnedReadHalf>, far: Option<TcpStream>) -> Peer {
        let client = Arc::new(Client {
            id: state.registry.next_id(),
            address: None,
            start: Timestamp::from_unix_nanos(0),
            outbox,
            limits: Arc::clone(&state.outbox_limits),
            counters: Counters::default(),
            facts: Default::default(),
            tls: None,
        });
        Peer { client, _near: near, far }
    }

    async fn with_socket(state: &State) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (read, write) = near.into_split();
        let outbox = Outbox::new(Some(write), Arc::clone(&state.budget), Monotonic::ZERO);
        peer(state, outbox, Some(read), Some(far))
    }

    fn without_socket(state: &State) -> Peer {
        peer(state, Outbox::new(None, Arc::clone(&state.budget), Monotonic::ZERO), None, None)
    }

    /// Requests and replies between the two, `times` over.
    fn talk(linger: &mut Linger, requester: &Peer, responder: &Peer, times: u32) {
        for _ in 0..times {
            linger.turn(&requester.client, 100, std::slice::from_ref(&responder.client));
            linger.turn(&responder.client, 100, std::slice::from_ref(&requester.client));
        }
    }

    #[tokio::test]
    async fn only_a_dialogue_makes_a_thread_look() {
        let (state, _happenings) = harness::server(Options::default());
        let (a, b) = (with_socket(&state).await, with_socket(&state).await);
        let talking = || {
            let mut linger = alone();
            talk(&mut linger, &a, &b, STREAK_MIN);
            assert!(linger.is_worth_it());
            linger
        };

        let mut linger = alone();
        for _ in 0..100 {
            linger.turn(&a.client, 100, std::slice::from_ref(&b.client));
        }
        assert!(!linger.is_worth_it(), "receivers that never answer");

        let mut linger = talking();
        linger.turn(&with_socket(&state).await.client, 100, &[]);
        assert!(!linger.is_worth_it(), "somebody else");

        let mut linger = talking();
        linger.turn(&a.client, ANSWER_BYTES_MAX + 1, std::slice::from_ref(&b.client));
        assert!(!linger.is_worth_it(), "a lot at once");

        let mut linger = talking();
        linger.turn(&a.client, 100, &[Arc::clone(&a.client), Arc::clone(&b.client)]);
        assert!(!linger.is_worth_it(), "several receivers");

        let mut linger = alone();
        let (c, d) = (without_socket(&state), without_socket(&state));
        talk(&mut linger, &c, &d, STREAK_MIN);
        assert!(!linger.is_worth_it(), "no sockets to look at");

        let mut linger = alone();
        for _ in 0..STREAK_MIN {
            for _ in 0..AWAITED_MAX {
                let crowd = with_socket(&state).await;
                talk(&mut linger, &a, &crowd, 1);
            }
        }
        assert!(linger.awaited.len() <= AWAITED_MAX);
    }

    #[test]
    fn looks_in_vain_end_and_a_short_wait_begins_them_anew() {
        let mut linger = Linger { streak: STREAK_MIN, ..alone() };
        for _ in 0..MISSES_MAX * 2 {
            linger.learn(PATIENCE * 2);
        }
        assert!(!linger.is_worth_it());
        linger.learn(PATIENCE);
        assert!(linger.is_worth_it());
    }

    #[tokio::test]
    async fn workers_that_take_turns_do_not_look() {
        let (state, _happenings) = harness::server(Options::default());
        let (a, b) = (with_socket(&state).await, with_socket(&state).await);
        let latest = Box::leak(Box::default());
        let (mut first, mut second) = (Linger::beside(latest), Linger::beside(latest));
        for _ in 0..STREAK_MIN * 4 {
            first.turn(&a.client, 100, std::slice::from_ref(&b.client));
            second.turn(&b.client, 100, std::slice::from_ref(&a.client));
        }
        assert!(!first.is_worth_it() && !second.is_worth_it());
        talk(&mut first, &a, &b, STREAK_MIN);
        assert!(first.is_worth_it());
        second.turn(&b.client, 100, std::slice::from_ref(&a.client));
        // A look that never ended by itself ends with the turn of another worker.
        first.look(far_future());
        talk(&mut first, &a, &b, 1);
        assert!(!first.is_worth_it());
    }

    #[tokio::test]
    async fn a_look_ends_with_what_it_looks_for() {
        let (state, _happenings) = harness::server(Options::default());
        let (a, b) = (with_socket(&state).await, with_socket(&state).await);
        let mut linger = alone();
        talk(&mut linger, &a, &b, 1);
        // Nothing came: it looked for as long as it may.
        let begin = clock::monotonic();
        linger.look(begin);
        assert!(clock::monotonic().since(begin) >= PATIENCE);
        // Bytes came: it stops.
        b.far.as_ref().unwrap().try_write(b"x").unwrap();
        linger.look(far_future());
    }
}
