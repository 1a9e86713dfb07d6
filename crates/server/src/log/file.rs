//! A log file that is begun anew when it has grown to its limit, and the files that were before it.
//!
//! ```text
//!   server.log                                  written to
//!   server.log.2026.11.21.07.06.37.556510123    before it: its name says when it ended
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use firn_id::Timestamp;
use tracing::Level;

use super::{
    drain::Drain,
    line::{Form, Line},
};

/// The file and its limits.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    drain: Drain<File>,
    bytes: u64,
    /// From how many bytes on it is moved away; `None` is never. Doubled each time that fails.
    limit: Option<u64>,
    configured_limit: Option<u64>,
    /// Files to keep, this one included; `None` is all.
    files_max: Option<usize>,
}

impl LogFile {
    /// Opens the file to append. Limits of zero or below are none.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(path: PathBuf, size_limit: i64, files_max: i64) -> io::Result<LogFile> {
        let (drain, bytes) = open(&path)?;
        let limit = u64::try_from(size_limit).ok().filter(|&limit| limit > 0);
        let files_max = usize::try_from(files_max).ok().filter(|&files| files > 0);
        Ok(LogFile { path, drain, bytes, limit, configured_limit: limit, files_max })
    }

    /// Opens the path again.
    ///
    /// # Errors
    /// It cannot be opened; the file that is open stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.drain, self.bytes) = open(&self.path)?;
        Ok(())
    }

    /// Writes a line.
    pub(super) fn write(&mut self, line: &[u8], now: Timestamp, form: &Form) {
        self.bytes += self.drain.write(line, form);
        if self.limit.is_some_and(|limit| self.bytes > limit) {
            self.rotate(now, form);
        }
    }

    fn rotate(&mut self, now: Timestamp, form: &Form) {
        let backup = backup_path(&self.path, now, form);
        let moved = fs::rename(&self.path, &backup).and_then(|()| open(&self.path));
        match moved {
            Ok((drain, bytes)) => {
                (self.drain, self.bytes) = (drain, bytes);
                self.limit = self.configured_limit;
                self.say(Level::INFO, format!("Rotated log, backup saved as \"{}\"", backup.display()), now, form);
                self.purge(now, form);
            }
            Err(error) => {
                let limit = self.bytes.saturating_mul(2);
                self.limit = Some(limit);
                let text = format!("Unable to rotate the log file ({error}), will attempt again at {limit} bytes");
                self.say(Level::ERROR, text, now, form);
            }
        }
    }

    /// Removes the oldest files above the number to keep.
    fn purge(&mut self, now: Timestamp, form: &Form) {
        let Some(files_max) = self.files_max else { return };
        let backups = match backups(&self.path) {
            Ok(backups) => backups,
            Err(error) => {
                let text = format!("Unable to list log files to purge ({error}), will attempt next rotation");
                return self.say(Level::ERROR, text, now, form);
            }
        };
        let surplus = (backups.len() + 1).saturating_sub(files_max);
        for backup in backups.into_iter().take(surplus) {
            let name = backup.display();
            match fs::remove_file(&backup) {
                Ok(()) => self.say(Level::INFO, format!("Purged log file \"{name}\""), now, form),
                Err(error) => {
                    let text = format!("Unable to remove log file \"{name}\" ({error}), will attempt next rotation");
                    return self.say(Level::ERROR, text, now, form);
                }
            }
        }
    }

    /// A line of the log's own; it does not rotate the file again.
    fn say(&mut self, level: Level, message: String, now: Timestamp, form: &Form) {
        let mut text = String::new();
        form.write(&Line { at: now, ..Line::new(level, message) }, &mut text);
        self.bytes += self.drain.write(text.as_bytes(), form);
    }
}

fn open(path: &Path) -> io::Result<(Drain<File>, u64)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((Drain::new(file), bytes))
}

fn backup_path(path: &Path, now: Timestamp, form: &Form) -> PathBuf {
    let (year, month, day, hour, minute, second) = now.civil(form.zone.offset(now));
    let nanos = now.subsecond_nanos();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{year:04}.{month:02}.{day:02}.{hour:02}.{minute:02}.{second:02}.{nanos:09}"));
    name.into()
}

/// The files that were before this one, oldest first.
fn backups(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().strip_prefix(&prefix).is_some_and(is_moment) {
            backups.push(entry.path());
        }
    }
    // Names of the same length in digits sort as their moments do.
    backups.sort();
    Ok(backups)
}

/// `2026.11.21.07.06.37.556510123`
fn is_moment(stamp: &str) -> bool {
    let parts: Vec<&str> = stamp.split('.').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([4, 2, 2, 2, 2, 2, 9]) && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{super::line::Zone, *};

    const FORM: Form = Form { is_json: false, has_time: false, has_colour: false, zone: Zone::Utc };

    /// A folder of this test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("firn-log-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_nanos(1_795_235_797_556_510_123 + second * 1_000_000_000)
    }

    #[test]
    fn a_file_at_its_limit_is_moved_away_and_the_oldest_are_removed() {
        let folder = Folder::new("rotation");
        let path = folder.0.join("server.log");
        let mut file = LogFile::open(path.clone(), 100, 3).unwrap();
        let line = [b"x".repeat(100), b"\n".to_vec()].concat();
        for second in 0..5 {
            file.write(&line, at(second), &FORM);
        }
        assert_eq!(
            folder.names(),
            ["server.log", "server.log.2026.11.21.04.36.40.556510123", "server.log.2026.11.21.04.36.41.556510123"]
        );
        let newest = fs::read_to_string(&path).unwrap();
        assert!(newest.contains("[INF] Rotated log, backup saved as \""), "{newest}");
        assert!(newest.contains("[INF] Purged log file \""), "{newest}");
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = Folder::new("others");
        let path = folder.0.join("server.log");
        for name in ["server.log.bak", "server.log.2020.01.01", "other.log.2020.01.01.00.00.00.000000000"] {
            fs::write(folder.0.join(name), "").unwrap();
        }
        assert_eq!(backups(&path).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_file_that_was_moved_is_opened_again() {
        let folder = Folder::new("reopen");
        let path = folder.0.join("server.log");
        let mut file = LogFile::open(path.clone(), 0, 0).unwrap();
        file.write(b"before\n", at(0), &FORM);
        fs::rename(&path, folder.0.join("moved")).unwrap();
        file.reopen().unwrap();
        file.write(b"after\n", at(1), &FORM);
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(fs::read_to_string(folder.0.join("moved")).unwrap(), "before\n");
    }

    #[test]
    fn a_file_that_cannot_be_moved_is_written_on() {
        let folder = Folder::new("stuck");
        let path = folder.0.join("server.log");
        let mut file = LogFile::open(path.clone(), 10, 0).unwrap();
        fs::remove_file(&path).unwrap();
        file.write(b"a line too long\n", at(0), &FORM);
        file.write(b"b\n", at(1), &FORM);
        assert_eq!(folder.names(), [] as [&str; 0]);
        assert!(file.limit > file.configured_limit);
    }
}
