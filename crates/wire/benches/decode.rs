//! Nanoseconds per operation for streams of publishes: `cargo bench -p firn-wire`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::{hint::black_box, time::Instant};

use firn_wire::client::{
    decode::{ClientOp, Limits, Publish, Step, next, usual_publish},
    encode::message_line,
};

const LIMITS: Limits = Limits { control_line_bytes_max: 4096, payload_bytes_max: Some(1 << 20) };
const OPERATIONS: usize = 4096;

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--test") { 1 } else { 500 };
    for (name, line, body_bytes) in [
        ("PUB subject 16", "PUB orders.eu.42 16\r\n", 16),
        ("PUB subject 128", "PUB orders.eu.42 128\r\n", 128),
        ("PUB subject reply 128", "PUB orders.eu.42 _INBOX.Hx6Kq2mZ.17 128\r\n", 128),
        ("HPUB subject 32 160", "HPUB orders.eu.42 32 160\r\n", 160),
        ("PING", "PING\r\n", usize::MAX),
    ] {
        let mut stream = Vec::new();
        for _ in 0..OPERATIONS {
            stream.extend_from_slice(line.as_bytes());
            if body_bytes != usize::MAX {
                stream.resize(stream.len() + body_bytes, b'x');
                stream.extend_from_slice(b"\r\n");
            }
        }
        report(name, rounds, || decode_all(&stream));
        if body_bytes != usize::MAX {
            report(&format!("  as usual {name}"), rounds, || decode_usual(&stream));
        }
    }

    let mut out = Vec::with_capacity(1 << 20);
    report("encode MSG subject sid 128", rounds, || {
        out.clear();
        for _ in 0..OPERATIONS {
            message_line(black_box(&mut out), b"orders.eu.42", b"17", None, b"128");
        }
        out.len()
    });
}

fn decode_all(stream: &[u8]) -> usize {
    let mut input = stream;
    let mut total = 0;
    while !input.is_empty() {
        let Ok(Step::Op(operation, consumed)) = next(input, &LIMITS) else { panic!("the stream is whole and valid") };
        total += match operation {
            ClientOp::Publish(Publish { line, body, tail: _ }) => {
                line.subject.len() + line.reply.map_or(0, <[u8]>::len) + line.total_token.len() + body.len()
            }
            ClientOp::Ping => 1,
            other => panic!("not in any stream: {other:?}"),
        };
        input = input.get(consumed..).expect("no more is consumed than there is");
    }
    total
}

fn decode_usual(stream: &[u8]) -> usize {
    let mut input = stream;
    let mut total = 0;
    while !input.is_empty() {
        let Some((publish, consumed)) = usual_publish(input, &LIMITS) else { panic!("the stream is as usual") };
        total += publish.line.subject.len() + publish.tail.len();
        input = input.get(consumed..).expect("no more is consumed than there is");
    }
    total
}

fn report(name: &str, rounds: usize, mut run: impl FnMut() -> usize) {
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(run());
    }
    let nanos = start.elapsed().as_secs_f64() * 1e9 / (rounds * OPERATIONS) as f64;
    println!("{name:28} {nanos:6.1} ns");
}
