//! What carries a client's bytes: a bare socket that any thread may write to, or a stream that only the client's own task
//! touches because it keeps cipher state (TLS) or is no socket at all (a connection within the process).

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use firn_id::Monotonic;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{inflow::Inflow, outbox::Outbox};

/// A duplex stream that is not a bare socket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// The reading side of a client, and for streams the writing side too.
pub(crate) enum Transport {
    /// The outbox holds the other half.
    Socket(Inflow),
    /// Reads and writes are both this task's.
    Stream(Box<dyn Stream>),
}

impl Transport {
    /// Reads into the front of `buffer`; 0 bytes is the end.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Socket(inflow) => inflow.poll_read(context, buffer),
            Transport::Stream(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Reads up to `limit` bytes to the end of `body`.
    pub(crate) fn poll_read_body(
        &mut self,
        context: &mut Context<'_>,
        body: &mut BytesMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Socket(inflow) => inflow.poll_read_body(context, body, limit),
            Transport::Stream(stream) => poll_read_body(stream, context, body, limit),
        }
    }

    /// Writes what waits in the outbox; `Ready` when nothing does.
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>, outbox: &Outbox, now: Monotonic) -> Poll<()> {
        match self {
            Transport::Socket(_) => {
                let socket = outbox.socket();
                let Some(socket) = &*socket else { return Poll::Ready(()) };
                loop {
                    // Whatever is wrong with the socket shows in the write itself.
                    let _ = ready!(AsRef::<TcpStream>::as_ref(&**socket).poll_write_ready(context));
                    let write = |slices: &[IoSlice<'_>]| match socket.try_write_vectored(slices) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                        result => Poll::Ready(result),
                    };
                    // A full socket is no longer ready, so the next round registers this task.
                    if outbox.poll_write(now, write).is_ready() {
                        return Poll::Ready(());
                    }
                }
            }
            Transport::Stream(stream) => {
                let written =
                    outbox.poll_write(now, |slices| Pin::new(&mut *stream).poll_write_vectored(context, slices));
                let flushed = Pin::new(stream).poll_flush(context);
                if written.is_ready() && flushed.is_ready() { Poll::Ready(()) } else { Poll::Pending }
            }
        }
    }
}

impl Transport {
    /// Ends the writing side, so that the peer reads the end after what was written.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>, outbox: &Outbox) -> Poll<()> {
        match self {
            // The half-close of a socket that is gone already is no news.
            Transport::Socket(_) => {
                if let Some(socket) = &*outbox.socket() {
                    let socket: &TcpStream = socket.as_ref().as_ref();
                    let _ = socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Write);
                }
                Poll::Ready(())
            }
            Transport::Stream(stream) => Pin::new(stream).poll_shutdown(context).map(drop),
        }
    }
}

/// Reads up to `limit` bytes to the end of `body`.
pub(crate) fn poll_read_body(
    reader: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    body: &mut BytesMut,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let mut limited = body.limit(limit);
    // Making the future anew at each poll is fine: `read_buf` keeps nothing between polls.
    let read = pin!(reader.read_buf(&mut limited));
    read.poll(context)
}
