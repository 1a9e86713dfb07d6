//! The end of the process after a panic that concerns more than one connection.
//!
//! A panic in a connection's own task ends that connection. Anywhere else it may leave state half changed that all
//! connections are served by, or a server that lacks one of its parts; both are worse than a process that is started
//! again. Panics say what they are by themselves, in the log; here is only what follows.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    process,
};

/// Ends the process at once.
pub(crate) fn end(part: &str) -> ! {
    tracing::error!(fatal = true, "A fault in {part}: the process ends, since what it serves may be half changed");
    process::abort()
}

/// An account's interest may be half changed.
pub(crate) fn in_interest() {
    end("the interest of an account");
}

/// Runs a task that the server cannot be without: if it panics, the process ends.
pub(crate) async fn vital(part: &'static str, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(_) => end(part),
    })
    .await;
}

/// Runs a thread that the server cannot be without: if it panics, the process ends.
pub(crate) fn vital_thread(part: &str, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        end(part);
    }
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::process::ExitStatusExt, process::Command};

    use super::*;

    /// In the process that a test starts: which fault it is to have.
    const FAULT: &str = "FIRN_TEST_FAULT";

    /// Not a test by itself: what the process does that is started for one.
    #[test]
    fn has_the_fault_that_it_was_asked_for() {
        let Ok(fault) = env::var(FAULT) else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match &*fault {
            "task" => runtime.block_on(async {
                let _ = tokio::spawn(vital("a task", async { panic!("injected") })).await;
            }),
            "thread" => drop(std::thread::spawn(|| vital_thread("a thread", || panic!("injected"))).join()),
            "interest" => drop(std::thread::spawn(in_interest).join()),
            _ => {}
        }
    }

    /// The signal that ended a process with this fault, and whether it went on to its end.
    fn outcome(fault: &str) -> (Option<i32>, bool) {
        let name = "fault::tests::has_the_fault_that_it_was_asked_for";
        let mut command = Command::new(env::current_exe().unwrap());
        let output = command.args(["--exact", name]).env(FAULT, fault).output().unwrap();
        (output.status.signal(), output.status.success())
    }

    #[test]
    fn a_fault_outside_of_connections_ends_the_process() {
        assert_eq!(outcome("none"), (None, true));
        for fault in ["task", "thread", "interest"] {
            assert_eq!(outcome(fault), (Some(6), false), "{fault}");
        }
    }

    #[tokio::test]
    async fn what_goes_well_is_left_alone() {
        vital("a task", async { tokio::task::yield_now().await }).await;
        vital_thread("a thread", || {});
    }
}
