//! Bytes on their way to one client: a queue of chunks under a leaf lock, written by whoever filled it.
//!
//! ```text
//!   publishers ──push──► │ chunk │ chunk │ shared body │ chunk │ ──flush──► socket
//!                        └── bytes: queued, plus what a writer has in hand ──┘
//! ```
//!
//! The publisher that makes an outbox go from quiet to filled is the one that writes it, after its read batch; a flush
//! takes the chunks out under the lock, writes them without it, and puts what is left back in front. Only when the socket
//! is full is the client's own task asked to go on. Chunks are never moved once they hold bytes.
//!
//! Invariants: at most one thread writes (`writing`); `bytes` is what was pushed and is not yet in the socket; a closed
//! outbox takes nothing.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use arc_swap::{ArcSwapOption, Guard};
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use firn_id::Monotonic;
use firn_router::Subscription;
use firn_session::CloseReason;
#[expect(clippy::disallowed_types, reason = "leaf lock: see Outbox")]
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::net::tcp::OwnedWriteHalf;

use super::{budget::Budget, port::Port, worker};

/// Slices handed to one vectored write.
const SLICES_MAX: usize = 64;
/// A flusher gives up its turn after so many rounds; the client's own task goes on.
const FLUSH_ROUNDS_MAX: usize = 4;
/// The first chunk of who was quiet has this much.
const CHUNK_BYTES_MIN: usize = 512;
/// Every further one, while it stalls, is a page: what is freed in any order can be used again by anybody.
const PAGE_BYTES: usize = 4 * 1024;
/// Who is written so much at once gets chunks of full size; others begin small, since they may stall with them.
const BUSY_BYTES_MIN: usize = 16 * 1024;

/// What waits for one client.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: publishers append, one writer takes chunks out")]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Written by any thread when the transport is a bare socket; otherwise the client's task writes. Let go of at the
    /// end, since others may keep hold of the outbox longer: cached routes, the history of closed clients.
    socket: ArcSwapOption<OwnedWriteHalf>,
    has_socket: bool,
    task: AtomicWaker,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Where lines and small bodies are appended; behind all chunks.
    open: Vec<u8>,
    chunks: VecDeque<Chunk>,
    /// Not yet in the socket, including what a writer has taken out.
    bytes: usize,
    /// Memory that the chunks hold, as the budget knows it.
    held: usize,
    /// A thread is writing chunks that it took out.
    writing: bool,
    /// Somebody will flush after its batch, or the client's task has been woken to.
    scheduled: bool,
    /// The socket took no more, or the writing was handed over: the client's task is the one to write.
    blocked: bool,
    /// When the socket last took something, or went from idle to busy.
    progress: Monotonic,
    /// The client's end, decided by somebody else than its task.
    closing: Option<CloseReason>,
    /// The last flush was large enough that the next chunk may begin at full size.
    busy: bool,
    /// Nothing is taken any more.
    closed: bool,
    /// Orders for the client's task.
    orders: Orders,
    /// Headers are kept for this client.
    headers: bool,
    /// Subscriptions that ended by their own limit.
    finished: Vec<Arc<Subscription<Port>>>,
    /// Messages and their header and payload bytes, ever.
    pub(crate) messages: u64,
    pub(crate) message_bytes: u64,
}

/// What the client's task is asked to do besides reading and writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// The settings changed: check everything again.
    pub(crate) reload: bool,
    /// The settings changed in what `INFO` says.
    pub(crate) announce: bool,
    /// This client is to look for another server.
    pub(crate) leave: bool,
}

#[derive(Debug)]
enum Chunk {
    /// Lines and small bodies; `start` bytes of it are in the socket already.
    Own { bytes: Vec<u8>, start: usize },
    /// A large body that others hold too.
    Shared(Bytes),
}

/// What a push did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// The pusher is to flush this outbox after its batch.
    pub(crate) must_flush: bool,
    /// Bytes that wait now.
    pub(crate) pending: usize,
    /// The socket has not taken anything since then, if it is full.
    pub(crate) stuck_since: Option<Monotonic>,
    /// It took memory that the budget does not have.
    pub(crate) is_scarce: bool,
}

/// Why an outbox takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

#[expect(clippy::disallowed_types, reason = "leaf lock: see Outbox")]
impl Outbox {
    /// For a bare socket, or (without one) for a transport that only the client's task writes to.
    pub(crate) fn new(socket: Option<OwnedWriteHalf>, budget: Arc<Budget>, now: Monotonic) -> Self {
        let queue = Queue { progress: now, ..Queue::default() };
        Outbox {
            queue: Mutex::new(queue),
            has_socket: socket.is_some(),
            socket: ArcSwapOption::new(socket.map(Arc::new)),
            task: AtomicWaker::new(),
            budget,
        }
    }

    /// Lets `append` write into the queue, unless it is closed; `append` gets nothing to call that locks.
    #[inline]
    pub(crate) fn push<T>(&self, now: Monotonic, append: impl FnOnce(&mut Queue) -> T) -> Result<(T, Pushed), Refused> {
        let mut queue = self.queue.lock();
        if queue.closed || queue.closing.is_some() {
            return Err(Refused);
        }
        if queue.bytes == 0 {
            queue.progress = now;
        }
        let held = queue.held;
        let mut appending = Appending(&mut queue);
        let value = append(&mut appending);
        mem::forget(appending);
        let grown = queue.held - held;
        let must_flush = queue.bytes > 0 && !(queue.scheduled || queue.writing || queue.blocked);
        queue.scheduled |= must_flush;
        let stuck_since = queue.blocked.then_some(queue.progress);
        let mut pushed = Pushed { must_flush, pending: queue.bytes, stuck_since, is_scarce: false };
        drop(queue);
        if grown > 0 {
            pushed.is_scarce = self.budget.take(grown);
        }
        Ok((value, pushed))
    }

    /// Writes what waits: directly where the transport allows it, otherwise by waking the client's task.
    pub(crate) fn flush(&self, now: Monotonic) {
        match &*self.socket.load() {
            Some(socket) => self.write_to(socket, now),
            None => self.task.wake(),
        }
    }

    /// Leaves the writing to the client's task.
    pub(crate) fn hand_over(&self) {
        let mut queue = self.queue.lock();
        // Who is writing sees for itself that there is more.
        queue.blocked |= queue.has_chunks() && !queue.writing;
        drop(queue);
        self.task.wake();
    }

    fn write_to(&self, socket: &OwnedWriteHalf, now: Monotonic) {
        let Some(mut chunks) = self.begin_write() else { return };
        for _ in 0..FLUSH_ROUNDS_MAX {
            let written = write_chunks(&mut chunks, |slices| socket.try_write_vectored(slices));
            match self.finish_write(chunks, &written, now) {
                AfterWrite::Done => return,
                AfterWrite::Blocked | AfterWrite::Failed => return self.task.wake(),
                AfterWrite::More(more) => chunks = more,
            }
        }
        self.yield_write(chunks);
        self.task.wake();
    }

    /// Takes the chunks out; `None` when there is nothing to write or somebody else is writing.
    fn begin_write(&self) -> Option<VecDeque<Chunk>> {
        let mut queue = self.queue.lock();
        queue.scheduled = false;
        if queue.writing || !queue.has_chunks() {
            return None;
        }
        queue.writing = true;
        queue.blocked = false;
        Some(queue.take_chunks())
    }

    fn finish_write(&self, mut rest: VecDeque<Chunk>, written: &Written, now: Monotonic) -> AfterWrite {
        let mut queue = self.queue.lock();
        if queue.closed {
            // Closed while this thread was writing: all that was held is given back already.
            queue.writing = false;
            return AfterWrite::Failed;
        }
        queue.bytes -= written.bytes;
        queue.held -= written.released;
        if written.bytes > 0 {
            queue.progress = now;
            queue.busy = written.bytes >= BUSY_BYTES_MIN;
        }
        let after = match &written.error {
            None if !queue.has_chunks() => {
                queue.writing = false;
                // The emptied deque keeps no memory for an idle client.
                AfterWrite::Done
            }
            None => AfterWrite::More(queue.take_chunks()),
            Some(error) if error.kind() == io::ErrorKind::WouldBlock => {
                rest.append(&mut queue.chunks);
                queue.chunks = rest;
                queue.writing = false;
                queue.blocked = true;
                AfterWrite::Blocked
            }
            Some(_) => {
                queue.writing = false;
                queue.closing.get_or_insert(CloseReason::WriteError);
                AfterWrite::Failed
            }
        };
        drop(queue);
        if written.released > 0 {
            self.budget.give_back(written.released);
        }
        after
    }

    /// Puts chunks back in front without having written them.
    fn yield_write(&self, mut chunks: VecDeque<Chunk>) {
        let mut queue = self.queue.lock();
        queue.writing = false;
        if queue.closed {
            return;
        }
        chunks.append(&mut queue.chunks);
        queue.chunks = chunks;
        queue.blocked = true;
    }

    /// For the client's task: writes what waits as far as the transport takes it. `Ready` when nothing waits.
    pub(crate) fn poll_write(
        &self,
        now: Monotonic,
        mut write: impl FnMut(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<()> {
        let Some(mut chunks) = self.begin_write() else { return Poll::Ready(()) };
        loop {
            let written = write_chunks(&mut chunks, |slices| match write(slices) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            });
            match self.finish_write(chunks, &written, now) {
                AfterWrite::Done | AfterWrite::Failed => return Poll::Ready(()),
                AfterWrite::Blocked => return Poll::Pending,
                AfterWrite::More(more) => chunks = more,
            }
        }
    }

    /// The client's task waits here; it looks at [`Outbox::status`] after registering.
    pub(crate) fn register(&self, context: &Context<'_>) {
        self.task.register(context.waker());
    }

    /// What the client's task has to know, in one look.
    pub(crate) fn status(&self) -> Status {
        let queue = self.queue.lock();
        Status {
            must_write: queue.has_chunks() && !queue.writing && (queue.blocked || !self.has_socket),
            pending: queue.bytes,
            progress: queue.progress,
            closing: queue.closing,
            orders: queue.orders,
        }
    }

    /// The orders given since the last call.
    pub(crate) fn take_orders(&self) -> Orders {
        mem::take(&mut self.queue.lock().orders)
    }

    /// Gives orders to the client's task.
    pub(crate) fn order(&self, orders: Orders) {
        let mut queue = self.queue.lock();
        queue.orders.reload |= orders.reload;
        queue.orders.announce |= orders.announce;
        queue.orders.leave |= orders.leave;
        drop(queue);
        self.task.wake();
    }

    /// Ends the client from outside; the first reason stays.
    pub(crate) fn end(&self, reason: CloseReason) {
        self.queue.lock().closing.get_or_insert(reason);
        self.task.wake();
    }

    /// Ends the client from outside as [`Outbox::end`] does, and frees what waits at once instead of when its task runs:
    /// whoever needs the memory needs it now. What a writer has in hand stays until it is back.
    pub(crate) fn discard(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.closing.get_or_insert(reason);
        let chunks = queue.take_chunks();
        let bytes: usize = chunks.iter().map(|chunk| chunk.rest().len()).sum();
        let held: usize = chunks.iter().map(Chunk::held).sum();
        queue.bytes -= bytes;
        queue.held -= held;
        drop(queue);
        self.budget.give_back(held);
        drop(chunks);
        self.task.wake();
    }

    /// Takes nothing more and frees what waits.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let chunks = queue.take_chunks();
        let finished = mem::take(&mut queue.finished);
        let held = mem::take(&mut queue.held);
        queue.bytes = 0;
        drop(queue);
        self.socket.store(None);
        self.budget.give_back(held);
        drop((chunks, finished));
    }

    /// The bare socket, if the transport is one.
    pub(crate) fn socket(&self) -> Guard<Option<Arc<OwnedWriteHalf>>> {
        self.socket.load()
    }

    /// Runs `change` while no push is under way.
    pub(crate) fn exclusively(&self, change: impl FnOnce()) {
        let queue = self.queue.lock();
        change();
        drop(queue);
    }

    /// Whether messages keep their headers from here on.
    pub(crate) fn set_headers(&self, headers: bool) {
        self.queue.lock().headers = headers;
    }

    /// Subscriptions that ended by their own limit since the last call.
    pub(crate) fn take_finished(&self) -> Vec<Arc<Subscription<Port>>> {
        let mut queue = self.queue.lock();
        if queue.finished.is_empty() { Vec::new() } else { mem::take(&mut queue.finished) }
    }

    /// Bytes that wait, messages ever, their bytes ever.
    pub(crate) fn numbers(&self) -> (usize, u64, u64) {
        let queue = self.queue.lock();
        (queue.bytes, queue.messages, queue.message_bytes)
    }

    /// Where shared bodies are accounted for.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

/// What [`Outbox::status`] shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    /// The client's task is the one to write.
    pub(crate) must_write: bool,
    pub(crate) pending: usize,
    pub(crate) progress: Monotonic,
    pub(crate) closing: Option<CloseReason>,
    pub(crate) orders: Orders,
}

/// A panic between two bytes of a message would leave half of it in the queue: the client ends instead.
struct Appending<'a>(&'a mut Queue);

impl std::ops::Deref for Appending<'_> {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        self.0
    }
}

impl std::ops::DerefMut for Appending<'_> {
    fn deref_mut(&mut self) -> &mut Queue {
        self.0
    }
}

impl Drop for Appending<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.closing.get_or_insert(CloseReason::InternalError);
    }
}

enum AfterWrite {
    Done,
    Blocked,
    Failed,
    More(VecDeque<Chunk>),
}

impl Queue {
    /// The buffer to append lines and small bodies to, with room for `bytes`.
    #[inline]
    pub(crate) fn buffer(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.open.capacity() - self.open.len() < bytes {
            self.make_room(bytes);
        }
        &mut self.open
    }

    /// A chunk that holds bytes never moves. Who takes what it is sent gets full chunks, which go round; who stalls
    /// gets little more than it needs, so that ten thousand of them do not hold ten thousand full chunks.
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) {
        self.seal();
        self.open = if self.busy && !self.blocked {
            worker::take_chunk(bytes)
        } else {
            Vec::with_capacity(bytes.max(if self.bytes == 0 { CHUNK_BYTES_MIN } else { PAGE_BYTES }))
        };
        self.held += self.open.capacity();
    }

    /// Closes the open chunk, so that something else may follow it.
    fn seal(&mut self) {
        if self.open.capacity() > 0 {
            let bytes = mem::take(&mut self.open);
            self.chunks.push_back(Chunk::Own { bytes, start: 0 });
        }
    }

    fn has_chunks(&self) -> bool {
        !self.open.is_empty() || !self.chunks.is_empty()
    }

    fn take_chunks(&mut self) -> VecDeque<Chunk> {
        self.seal();
        mem::take(&mut self.chunks)
    }

    /// Counts bytes that were appended to the buffer.
    #[inline]
    pub(crate) fn appended(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Appends a body that others hold too; its memory is accounted for where it was made.
    pub(crate) fn share(&mut self, body: Bytes) {
        self.bytes += body.len();
        self.seal();
        self.chunks.push_back(Chunk::Shared(body));
    }

    /// Bytes that wait.
    #[inline]
    pub(crate) fn pending(&self) -> usize {
        self.bytes
    }

    /// Whether this client's messages keep their headers.
    #[inline]
    pub(crate) fn keeps_headers(&self) -> bool {
        self.headers
    }

    /// The client is too slow: end it.
    #[cold]
    pub(crate) fn overflow(&mut self) {
        self.closing.get_or_insert(CloseReason::SlowConsumerPendingBytes);
    }

    /// A subscription took its last message.
    #[cold]
    pub(crate) fn finish(&mut self, subscription: &Arc<Subscription<Port>>) {
        self.finished.push(Arc::clone(subscription));
    }
}

#[derive(Debug)]
struct Written {
    bytes: usize,
    /// Memory that left the queue with it.
    released: usize,
    error: Option<io::Error>,
}

/// Writes chunks from the front until all are gone or the transport takes no more.
fn write_chunks(chunks: &mut VecDeque<Chunk>, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> Written {
    let mut written = Written { bytes: 0, released: 0, error: None };
    while !chunks.is_empty() {
        let slices: SmallVec<[IoSlice<'_>; 8]> =
            chunks.iter().take(SLICES_MAX).map(|chunk| IoSlice::new(chunk.rest())).collect();
        let outcome = write(&slices);
        drop(slices);
        match outcome {
            Ok(0) => {
                written.error = Some(io::ErrorKind::WriteZero.into());
                break;
            }
            Ok(bytes) => {
                written.bytes += bytes;
                written.released += advance(chunks, bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                written.error = Some(error);
                break;
            }
        }
    }
    written
}

/// Drops `bytes` from the front; returns the memory released.
fn advance(chunks: &mut VecDeque<Chunk>, mut bytes: usize) -> usize {
    let mut released = 0;
    while let Some(chunk) = chunks.front_mut() {
        let rest = chunk.rest().len();
        if bytes < rest {
            chunk.skip(bytes);
            break;
        }
        bytes -= rest;
        if let Some(Chunk::Own { bytes: buffer, .. }) = chunks.pop_front() {
            released += buffer.capacity();
            worker::give_chunk(buffer);
        }
    }
    released
}

impl Chunk {
    fn rest(&self) -> &[u8] {
        match self {
            Chunk::Own { bytes, start } => bytes.get(*start..).unwrap_or_default(),
            Chunk::Shared(bytes) => bytes,
        }
    }

    /// Its memory, as the queue's `held` counts it.
    fn held(&self) -> usize {
        match self {
            Chunk::Own { bytes, .. } => bytes.capacity(),
            Chunk::Shared(_) => 0,
        }
    }

    fn skip(&mut self, count: usize) {
        match self {
            Chunk::Own { start, .. } => *start += count,
            Chunk::Shared(bytes) => drop(bytes.split_to(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Monotonic = Monotonic::from_nanos(0);

    fn outbox_with(bytes: usize) -> (Outbox, Arc<Budget>) {
        let budget = Arc::new(Budget::new(usize::MAX));
        let outbox = Outbox::new(None, Arc::clone(&budget), NOW);
        push(&outbox, bytes);
        (outbox, budget)
    }

    fn push(outbox: &Outbox, bytes: usize) {
        let append = |queue: &mut Queue| {
            queue.buffer(bytes).extend(std::iter::repeat_n(b'x', bytes));
            queue.appended(bytes);
        };
        outbox.push(NOW, append).unwrap();
    }

    /// Writes once, and does something else while the outbox is being written.
    fn write_while(outbox: &Outbox, meanwhile: impl Fn(), result: Poll<io::Result<usize>>) -> Poll<()> {
        let mut result = Some(result);
        outbox.poll_write(NOW, |_| match result.take() {
            Some(result) => {
                meanwhile();
                result
            }
            None => Poll::Pending,
        })
    }

    #[test]
    fn what_is_freed_while_somebody_writes_is_given_back_once() {
        for result in [Poll::Ready(Ok(100)), Poll::Ready(Ok(40)), Poll::Pending] {
            let (outbox, budget) = outbox_with(100);
            let _ = write_while(&outbox, || outbox.close(), result);
            assert_eq!((outbox.numbers().0, budget.numbers().0), (0, 0));
            assert_eq!(outbox.push(NOW, |_| ()), Err(Refused));
        }
    }

    #[test]
    fn what_is_discarded_while_somebody_writes_stays_accounted_for() {
        let (outbox, budget) = outbox_with(100);
        let more = || {
            push(&outbox, 1_000);
            outbox.discard(CloseReason::SlowConsumerPendingBytes);
        };
        assert!(write_while(&outbox, more, Poll::Ready(Ok(40))).is_pending());
        // The rest of what the writer had is back in the queue, and nothing else.
        assert_eq!((outbox.numbers().0, budget.numbers().0), (60, CHUNK_BYTES_MIN));
        outbox.discard(CloseReason::ClientClosed);
        assert_eq!((outbox.numbers().0, budget.numbers().0), (0, 0));
        assert_eq!(outbox.status().closing, Some(CloseReason::SlowConsumerPendingBytes));
    }

    #[test]
    fn who_stalls_holds_little_more_than_what_waits() {
        let (outbox, budget) = outbox_with(100);
        assert_eq!(budget.numbers().0, CHUNK_BYTES_MIN);
        assert!(write_while(&outbox, || (), Poll::Pending).is_pending());
        for _ in 0..2_000 {
            push(&outbox, 100);
        }
        let (pending, held) = (outbox.numbers().0, budget.numbers().0);
        assert_eq!(pending, 200_100);
        assert!(held <= pending + 2 * PAGE_BYTES + pending / 20, "{held}");
    }
}
