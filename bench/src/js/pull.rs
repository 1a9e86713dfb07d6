//! A pull consumer that reads a whole stream: batches of 500, every message acknowledged explicitly.
//!
//! Two batches are asked for at most, the next when one has come, as clients that read ahead do. Each delivery must be
//! the next of the consumer, come for the first time, and be later in the stream than the one before. When all have come,
//! the consumer must say that nothing is pending, and that every acknowledgement has arrived.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::connection::{Connection, SILENCE_MAX};
use crate::proc::own_cpu_time;
use crate::server::Server;

use super::ack::{AckError, Delivery};
use super::api::{Api, Request, count};
use super::messages::{Link, Message};
use super::publish::{Measured, PAYLOAD_BYTES};

const BATCH: u64 = 500;
const INBOX: &str = "_INBOX.js.pull";

/// How often the consumer is asked whether all acknowledgements have arrived.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// How far a consumer has been read.
#[derive(Debug)]
struct Reading {
    /// Messages that there are.
    total: u64,
    requested: u64,
    delivered: u64,
    last_stream_seq: u64,
}

/// Reads `total` messages. Time and CPU run until the last acknowledgement has arrived.
pub(super) fn read_all(server: &Server, stream: &str, consumer: &str, total: u64) -> Result<Measured> {
    let mut api = Api::open(server.address)?;
    let mut connection = Connection::open(server.address, None)?;
    connection.subscribe(INBOX, None, 1)?;
    connection.settle()?;
    let mut link = Link::new(connection);
    let mut reading = Reading { total, requested: 0, delivered: 0, last_stream_seq: 0 };
    let mut out = Vec::new();

    let (begin, server_cpu, generator_cpu) = (Instant::now(), server.cpu_time()?, own_cpu_time()?);
    while reading.delivered < total {
        while let Some(batch) = reading.next_batch() {
            let body = format!("{{\"batch\":{batch}}}");
            let request =
                format!("PUB $JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer} {INBOX} {}\r\n{body}\r\n", body.len());
            out.extend_from_slice(request.as_bytes());
        }
        link.connection.send(&out)?;
        out.clear();
        link.wait("delivery")?;
        while let Some(message) = link.next()? {
            reading.take(&message)?;
            for part in [&b"PUB "[..], message.reply.unwrap_or_default(), b" 4\r\n+ACK\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
    link.connection.send(&out)?;
    wait_for_acks(&mut api, stream, consumer, total)?;
    Ok(Measured {
        acknowledged: total,
        elapsed: begin.elapsed(),
        server_cpu: server.cpu_time()? - server_cpu,
        generator_cpu: own_cpu_time()? - generator_cpu,
    })
}

/// Asks until no acknowledgement is missing, then holds the consumer's state against what was read.
fn wait_for_acks(api: &mut Api, stream: &str, consumer: &str, total: u64) -> Result<()> {
    let info = Request::new(format!("CONSUMER.INFO.{stream}.{consumer}"), String::new());
    let begin = Instant::now();
    loop {
        let answer = api.request(&info)?;
        let missing = count(&answer, &["num_ack_pending"])?;
        if missing == 0 {
            ensure!(count(&answer, &["num_pending"])? == 0, "messages are pending after {total} were read: {answer}");
            for place in ["delivered", "ack_floor"] {
                let seq = count(&answer, &[place, "consumer_seq"])?;
                ensure!(seq == total, "{place} stands at {seq} after {total} messages were read and acknowledged");
            }
            return Ok(());
        }
        ensure!(begin.elapsed() < SILENCE_MAX, "{missing} acknowledgements have not arrived after {SILENCE_MAX:?}");
        std::thread::sleep(ASK_EVERY);
    }
}

impl Reading {
    /// The size of the batch to ask for, if it is time to.
    fn next_batch(&mut self) -> Option<u64> {
        let outstanding = self.requested - self.delivered;
        let batch = BATCH.min(self.total - self.requested);
        if outstanding > BATCH || batch == 0 {
            return None;
        }
        self.requested += batch;
        Some(batch)
    }

    fn take(&mut self, message: &Message<'_>) -> Result<()> {
        if let Some(status) = message.status() {
            return Err(AckError::Status(status, "a delivery").into());
        }
        let delivery = Delivery::read(message.reply)?;
        self.delivered += 1;
        let Delivery { deliveries, stream_seq, consumer_seq } = delivery;
        ensure!(deliveries == 1, "stream sequence {stream_seq} was delivered {deliveries} times");
        ensure!(consumer_seq == self.delivered, "delivery {} has the number {consumer_seq}", self.delivered);
        let last = self.last_stream_seq;
        ensure!(stream_seq > last, "stream sequence {stream_seq} was delivered after {last}");
        ensure!(self.delivered <= self.requested, "a message more than was asked for");
        ensure!(message.payload.len() == PAYLOAD_BYTES, "a payload of {} bytes", message.payload.len());
        self.last_stream_seq = stream_seq;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(total: u64) -> Reading {
        Reading { total, requested: 0, delivered: 0, last_stream_seq: 0 }
    }

    #[test]
    fn two_batches_are_asked_for_ahead_and_no_more_than_there_is() {
        let mut reading = reading(1_200);
        let mut asked = |delivered| {
            reading.delivered = delivered;
            std::iter::from_fn(|| reading.next_batch()).collect::<Vec<_>>()
        };
        assert_eq!(asked(0), [500, 500]);
        assert_eq!(asked(499), [0u64; 0]);
        assert_eq!(asked(500), [200]);
        assert_eq!(asked(1_200), [0u64; 0]);
    }

    #[test]
    fn deliveries_come_once_in_order_and_not_unasked() {
        fn check(replies: &[&str], expected: &str) {
            let mut reading = Reading { requested: 2, ..reading(9) };
            let taken: Result<()> = replies.iter().try_for_each(|reply| {
                let reply = Some(reply.as_bytes());
                reading.take(&Message { subject: b"s", reply, headers: b"", payload: &[b'x'; PAYLOAD_BYTES] })
            });
            assert_eq!(taken.err().map(|error| error.to_string()).unwrap_or_default(), expected);
        }
        let [one, two] = ["$JS.ACK.S.C.1.4.1.0.9", "$JS.ACK.S.C.1.6.2.0.9"];
        check(&[one, two], "");
        check(&[two], "delivery 1 has the number 2");
        check(&["$JS.ACK.S.C.2.4.1.0.9"], "stream sequence 4 was delivered 2 times");
        check(&[one, "$JS.ACK.S.C.1.4.2.0.9"], "stream sequence 4 was delivered after 4");
        check(&[one, two, "$JS.ACK.S.C.1.8.3.0.9"], "a message more than was asked for");
        check(&["$JS.API.S"], "not the reply subject of a delivery: \"$JS.API.S\"");
    }
}
