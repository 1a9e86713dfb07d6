//! How many bytes have to wait in a socket before anybody is told.
//!
//! While a thread reads a client's bytes as fast as it can, each segment that arrives would still wake the thread that
//! waits for sockets, only for it to find the connection being served: about two wake-ups for each read, a fifth of what
//! small messages cost (docs/adr/0008). So a read that filled the whole buffer puts such news off until everything has
//! been read; then a single byte is news again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, BytesMut};
#[cfg(target_os = "linux")]
use nix::{setsockopt_impl, sockopt_impl};
use rustix::{
    io::{Errno, retry_on_intr},
    net::RecvFlags,
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
};

/// A read of so many bytes that filled all there was room for: more is likely to wait.
const STREAM_BYTES_MIN: usize = 48 * 1024;
/// More than usually waits while a stream is read. Linux makes the receive buffer twice as large, which is what it grows
/// to by itself on a fast connection.
#[cfg(target_os = "linux")]
const STREAM_NEWS_BYTES: i32 = 3 * 1024 * 1024;
/// Read at once where nothing should be left: usually nothing is.
const LEFT_BYTES: usize = 4 * 1024;

#[cfg(target_os = "linux")]
sockopt_impl!(
    /// `SO_RCVLOWAT`, see socket(7).
    ReceiveLowWater,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    i32
);

/// The reading half of a socket that keeps quiet while its stream is read.
#[derive(Debug)]
pub(crate) struct Inflow {
    half: OwnedReadHalf,
    news: News,
}

impl Inflow {
    pub(crate) fn new(half: OwnedReadHalf) -> Inflow {
        Inflow { half, news: News::Any }
    }

    /// Reads into the front of `buffer`; 0 bytes is the end.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut read = ReadBuf::new(buffer);
        let poll = Pin::new(&mut self.half).poll_read(context, &mut read);
        match poll {
            Poll::Ready(Ok(())) => {
                let count = read.filled().len();
                self.note(count, read.capacity());
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.news == News::Much => self.read_rest(buffer),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Reads up to `limit` bytes to the end of `body`.
    pub(crate) fn poll_read_body(
        &mut self,
        context: &mut Context<'_>,
        body: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match super::transport::poll_read_body(&mut self.half, context, body, limit) {
            Poll::Ready(Ok(count)) => {
                self.note(count, limit);
                Poll::Ready(Ok(count))
            }
            Poll::Pending if self.news == News::Much => {
                let mut left = [0; LEFT_BYTES];
                let (left, _) = left.split_at_mut(limit.min(LEFT_BYTES));
                let poll = self.read_rest(left);
                if let Poll::Ready(Ok(count)) = poll {
                    body.put_slice(left.get(..count).unwrap_or_default());
                }
                poll
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// A read that took all it had room for is probably not the last.
    fn note(&mut self, count: usize, room: usize) {
        if self.news == News::Any && count == room && room >= STREAM_BYTES_MIN {
            self.announce(News::Much);
        }
    }

    /// There is nothing more to read, as far as is known: a byte is news again.
    ///
    /// One that came before this was said is announced by Linux since 4.18; so that nothing rests on that, it is looked
    /// for.
    #[cold]
    fn read_rest(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.announce(News::Any);
        let socket: &TcpStream = self.half.as_ref();
        match retry_on_intr(|| rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT)) {
            Ok((count, _)) => Poll::Ready(Ok(count)),
            Err(Errno::AGAIN) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn announce(&mut self, news: News) {
        self.news = news;
        announce(self.half.as_ref(), news);
    }
}

/// What a socket announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    /// Each byte.
    Any,
    /// Nothing while its stream is read, unless very much waits, or the end.
    Much,
}

/// Sets what `socket` announces. A socket that cannot be told goes on announcing each byte, which is only slower.
fn announce(socket: &TcpStream, news: News) {
    #[cfg(target_os = "linux")]
    {
        let bytes = match news {
            News::Any => 1,
            News::Much => STREAM_NEWS_BYTES,
        };
        let _ = nix::sys::socket::setsockopt(socket, ReceiveLowWater, &bytes);
    }
    // Elsewhere a lower mark would not announce what waits already.
    #[cfg(not(target_os = "linux"))]
    let _ = (socket, news);
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::{io::AsyncWriteExt, net::TcpListener, time::timeout};

    use super::*;

    const TOO_LONG: Duration = Duration::from_secs(20);

    async fn pair() -> (Inflow, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (near, _) = listener.accept().await.unwrap();
        let (half, write) = near.into_split();
        write.forget();
        (Inflow::new(half), far)
    }

    async fn read(inflow: &mut Inflow, buffer: &mut [u8]) -> usize {
        let read = poll_fn(|context| inflow.poll_read(context, buffer));
        timeout(TOO_LONG, read).await.expect("what came is announced").unwrap()
    }

    fn is_announced(inflow: &Inflow) -> bool {
        let socket: &TcpStream = inflow.half.as_ref();
        poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    /// Waits until `bytes` are there to read.
    async fn filled(inflow: &Inflow, bytes: usize) {
        let mut buffer = vec![0; bytes];
        let socket: &TcpStream = inflow.half.as_ref();
        timeout(TOO_LONG, async {
            while rustix::net::recv(socket, &mut *buffer, RecvFlags::PEEK | RecvFlags::DONTWAIT)
                .is_ok_and(|(count, _)| count < bytes)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_stream_is_announced_again_when_it_was_read() {
        let (mut inflow, mut far) = pair().await;
        let mut buffer = vec![0; STREAM_BYTES_MIN];
        far.write_all(&vec![1; STREAM_BYTES_MIN + 5]).await.unwrap();
        read(&mut inflow, &mut buffer[..1]).await;
        assert_eq!(inflow.news, News::Any, "a byte that fills its room is no stream");
        filled(&inflow, STREAM_BYTES_MIN + 4).await;
        assert_eq!(read(&mut inflow, &mut buffer).await, STREAM_BYTES_MIN);
        assert_eq!(inflow.news, News::Much);
        if cfg!(target_os = "linux") {
            assert!(!is_announced(&inflow), "four bytes are no news in the middle of a stream");
        }
        assert_eq!(read(&mut inflow, &mut buffer).await, 4);
        let (next, written) = tokio::join!(read(&mut inflow, &mut buffer), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            far.write_all(b"x").await
        });
        written.unwrap();
        assert_eq!((next, inflow.news), (1, News::Any));
        far.write_all(b"y").await.unwrap();
        filled(&inflow, 1).await;
        assert!(is_announced(&inflow));
    }

    #[tokio::test]
    async fn the_end_of_a_stream_is_announced() {
        let (mut inflow, mut far) = pair().await;
        let mut buffer = vec![0; STREAM_BYTES_MIN];
        far.write_all(&buffer).await.unwrap();
        filled(&inflow, STREAM_BYTES_MIN).await;
        assert_eq!(read(&mut inflow, &mut buffer).await, STREAM_BYTES_MIN);
        let (next, ()) = tokio::join!(read(&mut inflow, &mut buffer), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(far);
        });
        assert_eq!(next, 0);
    }

    /// Whoever asks for more than is there gets what is there, however it was announced.
    #[tokio::test]
    async fn what_came_while_nothing_was_announced_is_read() {
        let (mut inflow, mut far) = pair().await;
        inflow.announce(News::Much);
        far.write_all(b"abc").await.unwrap();
        filled(&inflow, 3).await;
        let mut buffer = [0; 8];
        assert_eq!(read(&mut inflow, &mut buffer).await, 3);

        inflow.announce(News::Much);
        far.write_all(b"defg").await.unwrap();
        filled(&inflow, 4).await;
        let mut body = BytesMut::from(&b"abc"[..]);
        let read = poll_fn(|context| inflow.poll_read_body(context, &mut body, 8));
        assert_eq!(timeout(TOO_LONG, read).await.unwrap().unwrap(), 4);
        assert_eq!(body, b"abcdefg"[..]);
        assert_eq!(inflow.news, News::Any);
    }
}
