//! Where lines leave the process. A place that takes no more (a full disk, a closed pipe) costs lines and nothing else:
//! they are counted, and the count is the first thing written when there is room again.

use std::io::{self, Write};

use tracing::Level;

use super::line::{Form, Line};
use crate::clock;

/// A writer that never fails its user.
#[derive(Debug)]
pub(super) struct Drain<W> {
    writer: W,
    /// Lines that could not be written since the last one that could.
    lost: u64,
    /// The last write broke off within a line.
    is_torn: bool,
}

impl<W: Write> Drain<W> {
    pub(super) fn new(writer: W) -> Self {
        Drain { writer, lost: 0, is_torn: false }
    }

    /// Writes a line, or counts it as lost; returns the bytes written.
    pub(super) fn write(&mut self, line: &[u8], form: &Form) -> u64 {
        let mut written = 0;
        if self.lost > 0 {
            let mut text = String::new();
            if self.is_torn {
                text.push('\n');
            }
            let message = format!("{} lines of the log were lost because they could not be written", self.lost);
            form.write(&Line { at: clock::timestamp(), ..Line::new(Level::ERROR, message) }, &mut text);
            if self.try_write(text.as_bytes(), &mut written).is_err() {
                self.lost += 1;
                return written;
            }
            (self.lost, self.is_torn) = (0, false);
        }
        if self.try_write(line, &mut written).is_err() {
            self.lost += 1;
        }
        written
    }

    fn try_write(&mut self, mut bytes: &[u8], written: &mut u64) -> io::Result<()> {
        let whole = bytes.len();
        while !bytes.is_empty() {
            match self.writer.write(bytes) {
                Ok(0) => return Err(self.broke_off(bytes.len() < whole, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    *written += count as u64;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke_off(bytes.len() < whole, error)),
            }
        }
        Ok(())
    }

    fn broke_off(&mut self, within_line: bool, error: io::Error) -> io::Error {
        self.is_torn |= within_line;
        error
    }
}

#[cfg(test)]
mod tests {
    use super::{super::line::Zone, *};

    const FORM: Form = Form { is_json: false, has_time: false, has_colour: false, zone: Zone::Utc };

    /// A disk with so much room.
    struct Disk {
        room: usize,
        content: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.room);
            self.room -= count;
            self.content.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn check(room: usize, expected: &str) {
        let mut drain = Drain::new(Disk { room, content: Vec::new() });
        for line in ["first\n", "second\n", "third\n"] {
            drain.write(line.as_bytes(), &FORM);
        }
        drain.writer.room = usize::MAX;
        drain.write(b"fourth\n", &FORM);
        drain.write(b"fifth\n", &FORM);
        let content = String::from_utf8(drain.writer.content).unwrap();
        assert_eq!(content.replace(&std::process::id().to_string(), "PID"), expected);
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many() {
        check(6, "first\n[PID] [ERR] 2 lines of the log were lost because they could not be written\nfourth\nfifth\n");
        check(
            9,
            "first\nsec\n[PID] [ERR] 2 lines of the log were lost because they could not be written\nfourth\nfifth\n",
        );
        check(usize::MAX, "first\nsecond\nthird\nfourth\nfifth\n");
    }
}
