//! Password checks that cost milliseconds by design, kept away from everybody else.
//!
//! A small pool of threads at the lowest priority works through one queue per address in turn, so that a flood of logins
//! from one place delays only that place. The queues are bounded; who finds them full is refused at once.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    thread,
    time::Duration,
};

use firn_auth::authenticate::{Identity, PasswordCheck};
#[expect(clippy::disallowed_types, reason = "leaf lock: see Shared")]
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::fault;

/// Checks that may wait for one address.
const PER_ADDRESS_MAX: usize = 64;
/// Checks that may wait in all.
const TOTAL_MAX: usize = 4096;

/// How often who waits for room in a queue looks again.
const PATIENCE: Duration = Duration::from_millis(20);

type Answer = oneshot::Receiver<Option<Arc<Identity>>>;

/// The pool.
#[derive(Debug)]
pub(crate) struct Passwords {
    shared: Arc<Shared>,
}

#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: clients queue checks, pool threads take them")]
struct Shared {
    queues: Mutex<Queues>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Queues {
    by_address: HashMap<Option<IpAddr>, VecDeque<Job>>,
    /// Addresses with waiting checks, the next one first.
    turns: VecDeque<Option<IpAddr>>,
    waiting: usize,
    stopped: bool,
}

#[derive(Debug)]
struct Job {
    check: PasswordCheck,
    answer: oneshot::Sender<Option<Arc<Identity>>>,
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see Shared")]
impl Passwords {
    /// Starts the threads: half of the cores, one at least.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queues: Mutex::new(Queues::default()), filled: Condvar::new() });
        let threads = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("passwords".to_owned()).spawn(move || {
                // Best effort: at equal priority the checks are still right, only less polite.
                let _ = rustix::process::nice(19);
                fault::vital_thread("checking passwords", || {
                    while let Some(job) = shared.next() {
                        // Who asked may be gone.
                        let _ = job.answer.send(job.check.run());
                    }
                });
            })?;
        }
        Ok(Passwords { shared })
    }

    /// Runs one check when it is its address's turn; no identity when the password is wrong or the queue is full.
    pub(crate) async fn check(&self, check: PasswordCheck, address: Option<IpAddr>) -> Option<Arc<Identity>> {
        match self.submit(check, address) {
            Ok(answered) => answered.await.ok().flatten(),
            Err(_) => None,
        }
    }

    /// The same for who is signed in already: when the queue is full it waits, rather than being thrown out.
    pub(crate) async fn check_patiently(
        &self,
        mut check: PasswordCheck,
        address: Option<IpAddr>,
    ) -> Option<Arc<Identity>> {
        loop {
            match self.submit(check, address) {
                Ok(answered) => return answered.await.ok().flatten(),
                Err(refused) => check = refused,
            }
            tokio::time::sleep(PATIENCE).await;
        }
    }

    fn submit(&self, check: PasswordCheck, address: Option<IpAddr>) -> Result<Answer, PasswordCheck> {
        let (answer, answered) = oneshot::channel();
        let pushed = self.shared.queues.lock().push(address, Job { check, answer });
        pushed.map_err(|job| job.check)?;
        self.shared.filled.notify_one();
        Ok(answered)
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        self.shared.queues.lock().stopped = true;
        self.shared.filled.notify_all();
    }
}

impl Shared {
    fn next(&self) -> Option<Job> {
        let mut queues = self.queues.lock();
        loop {
            if queues.stopped {
                return None;
            }
            if let Some(job) = queues.pop() {
                return Some(job);
            }
            self.filled.wait(&mut queues);
        }
    }
}

impl Queues {
    /// Gives the job back when there is no room.
    fn push(&mut self, address: Option<IpAddr>, job: Job) -> Result<(), Job> {
        let queued = self.by_address.get(&address).map_or(0, VecDeque::len);
        if self.waiting >= TOTAL_MAX || queued >= PER_ADDRESS_MAX {
            return Err(job);
        }
        let queue = self.by_address.entry(address).or_default();
        if queue.is_empty() {
            self.turns.push_back(address);
        }
        queue.push_back(job);
        self.waiting += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<Job> {
        loop {
            let address = self.turns.pop_front()?;
            let Some(queue) = self.by_address.get_mut(&address) else { continue };
            let job = queue.pop_front();
            if queue.is_empty() {
                self.by_address.remove(&address);
            } else {
                self.turns.push_back(address);
            }
            let Some(job) = job else { continue };
            self.waiting -= 1;
            // Who gave up waiting is not worth a check.
            if !job.answer.is_closed() {
                return Some(job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use firn_auth::authenticate::{
        AuthorizationSpec, ConnectionType, Credentials, Directory, DirectorySpec, Outcome, SingleUserSpec,
    };

    use super::*;

    fn check() -> PasswordCheck {
        let hash = "$2a$04$ZTwJJQwvPp7c.B8Kv9M8xuTBuC2xpG4VXzuD3lmVCPLiGpOJRCdP6";
        let single = SingleUserSpec { user: "a".to_owned(), password: hash.into() };
        let authorization = AuthorizationSpec { single: Some(single), ..AuthorizationSpec::default() };
        let spec = DirectorySpec { authorization: Some(authorization), ..DirectorySpec::default() };
        let outcome = Directory::new(&spec).unwrap().authenticate(&Credentials {
            user: Some("a"),
            password: Some("p"),
            token: None,
            nkey: None,
            signature: None,
            proxy_signature: None,
            jwt: None,
            nonce: None,
            certificate: None,
            connection_type: ConnectionType::Standard,
        });
        let Outcome::VerifyPassword(check) = outcome else { panic!("a hash is to be checked") };
        check
    }

    fn push(queues: &mut Queues, address: u8) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        queues.push(Some([10, 0, 0, address].into()), Job { check: check(), answer }).ok().map(|()| answered)
    }

    /// Takes the next job, and says of which of these clients it is.
    fn pop(queues: &mut Queues, clients: &mut [Answer]) -> Option<usize> {
        let job = queues.pop()?;
        drop(job.answer.send(None));
        clients.iter_mut().position(|client| client.try_recv().is_ok())
    }

    #[test]
    fn a_flood_from_one_address_delays_only_that_address() {
        let mut queues = Queues::default();
        let mut clients: Vec<Answer> = [1, 1, 1, 2, 1, 3].map(|address| push(&mut queues, address).unwrap()).into();
        let order: Vec<Option<usize>> = (0..7).map(|_| pop(&mut queues, &mut clients)).collect();
        assert_eq!(order, [Some(0), Some(3), Some(5), Some(1), Some(2), Some(4), None]);
        assert!(queues.by_address.is_empty() && queues.waiting == 0);
    }

    #[test]
    fn queues_are_bounded() {
        let mut queues = Queues::default();
        let waiting: Vec<Answer> = (0..PER_ADDRESS_MAX).map(|_| push(&mut queues, 1).unwrap()).collect();
        assert!(push(&mut queues, 1).is_none());
        assert!(push(&mut queues, 2).is_some());
        assert_eq!(waiting.len() + 1, queues.waiting);
    }

    #[test]
    fn nobody_works_for_those_who_gave_up() {
        let mut queues = Queues::default();
        drop(push(&mut queues, 1));
        let mut clients = [push(&mut queues, 1).unwrap()];
        assert_eq!(pop(&mut queues, &mut clients), Some(0));
        assert_eq!(queues.waiting, 0);
    }
}
