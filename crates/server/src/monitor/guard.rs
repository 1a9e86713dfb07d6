//! What keeps one peer from taking monitoring away from all others: connections are counted by address, and end when what
//! waits for the peer is not read.
//!
//! Not here: how long a request may take to come; that is hyper's own timeout.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

#[expect(clippy::disallowed_types, reason = "leaf lock: see Crowd")]
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How many connections each address has.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: touched when a monitoring connection comes or goes")]
pub(super) struct Crowd {
    of_address: Mutex<BTreeMap<IpAddr, usize>>,
    of_address_max: usize,
}

impl Crowd {
    pub(super) fn new(of_address_max: usize) -> Self {
        Crowd { of_address: Default::default(), of_address_max }
    }

    /// A place that is held until it is dropped, unless the address has too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let address = network(address);
        let mut of_address = self.of_address.lock();
        let count = of_address.entry(address).or_default();
        if *count >= self.of_address_max {
            return None;
        }
        *count += 1;
        Some(Seat { crowd: Arc::clone(self), address })
    }
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut of_address = self.crowd.of_address.lock();
        let Some(count) = of_address.get_mut(&self.address) else { return };
        *count -= 1;
        if *count == 0 {
            of_address.remove(&self.address);
        }
    }
}

/// Whom an address belongs to: of IPv6, one host has a whole `/64`.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// A socket whose writes fail when the peer reads nothing for a while, or takes too long over all that waits.
///
/// Invariant: `timer` is there exactly while something waits for the peer.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    silence_max: Duration,
    reading_max: Duration,
    timer: Option<Timer>,
}

#[derive(Debug)]
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When everything must have been read.
    end: Instant,
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    pub(super) fn new(stream: S, silence_max: Duration, reading_max: Duration) -> Self {
        Guarded { stream, silence_max, reading_max, timer: None }
    }

    /// Called when the peer's window is full.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let (silence_max, reading_max) = (self.silence_max, self.reading_max);
        let timer = self.timer.get_or_insert_with(|| {
            let now = Instant::now();
            let end = now + reading_max;
            Timer { sleep: Box::pin(sleep_until(end.min(now + silence_max))), end }
        });
        ready!(timer.sleep.as_mut().poll(context));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"))
    }

    /// Called when something was written.
    fn progress(&mut self) {
        if let Some(timer) = &mut self.timer {
            timer.sleep.as_mut().reset(timer.end.min(Instant::now() + self.silence_max));
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.progress();
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(context, slices) {
            Poll::Ready(written) => {
                self.progress();
                Poll::Ready(written)
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Reached only when everything was written.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(flushed) => {
                self.timer = None;
                Poll::Ready(flushed)
            }
            Poll::Pending => self.wait(context).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => self.wait(context).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(20);

    /// What became of a write; one that never ends is an error too.
    async fn ended(write: impl Future<Output = io::Result<()>>) -> Option<io::ErrorKind> {
        tokio::time::timeout(Duration::from_secs(30), write).await.map_or(Some(io::ErrorKind::Other), kind)
    }

    fn kind(outcome: io::Result<()>) -> Option<io::ErrorKind> {
        outcome.err().map(|error| error.kind())
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_fails_the_write() {
        let (ours, _theirs) = tokio::io::duplex(10);
        let mut guarded = Guarded::new(ours, SHORT, LONG);
        assert_eq!(ended(guarded.write_all(&[0; 100])).await, Some(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_peer_that_reads_byte_by_byte_fails_the_write_in_the_end() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut guarded = Guarded::new(ours, LONG, SHORT);
        let write = async {
            tokio::select! {
                outcome = async { loop { guarded.write_all(&[0; 100]).await? } } => outcome,
                () = async { while theirs.read_u8().await.is_ok() {} } => Ok(()),
            }
        };
        assert_eq!(ended(write).await, Some(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_peer_that_reads_everything_is_waited_for_anew() {
        let (ours, mut theirs) = tokio::io::duplex(10);
        let mut guarded = Guarded::new(ours, LONG, LONG);
        let mut received = [0; 100];
        let (written, read) = tokio::join!(
            async {
                guarded.write_all(&[7; 100]).await?;
                assert!(guarded.timer.is_some(), "the peer had to be waited for");
                guarded.flush().await
            },
            theirs.read_exact(&mut received)
        );
        assert_eq!((kind(written), read.ok()), (None, Some(100)));
        assert!(guarded.timer.is_none());
    }

    #[test]
    fn an_address_has_its_share_of_connections_and_no_more() {
        let crowd = Arc::new(Crowd::new(2));
        let enter = |address: &str| crowd.enter(address.parse().unwrap());
        let seats =
            ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "2001:db8::2"].map(|address| enter(address).unwrap());
        for (address, has_room) in [
            ("10.0.0.1", false),
            ("10.0.0.2", true),
            ("2001:db8::ffff:0:0:3", false),
            ("2001:db8:0:1::1", true),
            ("::1", true),
        ] {
            assert_eq!(enter(address).is_some(), has_room, "{address}");
        }
        drop(seats);
        assert!(crowd.of_address.lock().is_empty());
    }
}
