//! `firn object put`, `get`: bytes between files and buckets.
//!
//! A file appears under its name when all of it is there and its digest is right, and not before.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::object_store::{InfoErrorKind, Object, ObjectInfo, ObjectMetadata};
use clap::Args;
use tokio::fs::{self, File};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time;

use crate::confirm::confirm;
use crate::jetstream::JetStream;
use crate::message;
use crate::progress::Progress;
use crate::template::Facts;
use crate::{duration, show, size};

use super::{list, open};

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// Name of the bucket
    bucket: String,

    /// The file; without it, standard input is read
    #[arg(required_unless_present = "name")]
    file: Option<PathBuf>,

    /// Name of the object, in place of the file's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Add a header to the object, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,

    /// Size of a message
    #[arg(long, value_name = "BYTES", value_parser = size::parse::<usize>)]
    chunk_size: Option<usize>,

    /// Show no bar
    #[arg(long)]
    no_progress: bool,

    /// Do not ask before an object is replaced
    #[arg(short, long)]
    force: bool,

    /// Show what was put as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Name of the bucket
    bucket: String,

    /// Name of the object
    object: String,

    /// The file to write, in place of the last part of the object's name; `-` is standard output
    #[arg(short = 'O', long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Show no bar
    #[arg(long)]
    no_progress: bool,

    /// Do not ask before a file is replaced
    #[arg(short, long)]
    force: bool,
}

/// # Errors
/// The file cannot be read, or the server refuses.
pub(crate) async fn put(args: &PutArgs, jetstream: &JetStream) -> Result<()> {
    let name = match (&args.name, &args.file) {
        (Some(name), _) => name.clone(),
        (None, Some(file)) => file.to_str().context("the name of the file is no text; say --name")?.to_owned(),
        (None, None) => bail!("standard input has no name; say --name"),
    };
    let store = open(&args.bucket, jetstream).await?;
    match store.info(&name).await {
        Ok(info) if !info.deleted => confirm(args.force, &format!("Replace object {name} of bucket {}", args.bucket))?,
        Err(error) if error.kind() != InfoErrorKind::NotFound => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let facts = Facts { count: 1, request: None, now: show::now() };
    let headers = Some(message::headers(&args.headers, facts)?).filter(|headers| !headers.is_empty());
    let description = args.description.clone();
    let metadata =
        ObjectMetadata { name, description, chunk_size: args.chunk_size, headers, ..ObjectMetadata::default() };
    let begin = Instant::now();
    let (mut source, length): (Box<dyn AsyncRead + Unpin>, u64) = match &args.file {
        None => (Box::new(tokio::io::stdin()), 0),
        Some(path) => {
            let file = File::open(path).await.with_context(|| format!("cannot read {}", path.display()))?;
            let length = file.metadata().await?.len();
            (Box::new(file), length)
        }
    };
    let progress = Progress::bytes(length, !args.no_progress && !args.json);
    let info = store.put(metadata, &mut Counted { source: &mut source, progress: progress.clone() }).await?;
    progress.finish();
    if args.json {
        return show::json(&info);
    }
    show::note(format_args!("Put {} in {}", amount(&info), duration::show(begin.elapsed())));
    Ok(show::line(list::sheet(&info))?)
}

/// # Errors
/// There is no such object, it is damaged, or the file cannot be written.
pub(crate) async fn get(args: &GetArgs, jetstream: &JetStream) -> Result<()> {
    let GetArgs { bucket, object: name, .. } = args;
    let store = open(bucket, jetstream).await?;
    let mut object = store.get(name).await.with_context(|| format!("object {name} of bucket {bucket}"))?;
    let length = u64::try_from(object.info().size)?;
    let begin = Instant::now();
    let to = target(args)?;
    if to.as_os_str() == "-" {
        copy(&mut object, &mut tokio::io::stdout(), &Progress::bytes(length, false), jetstream).await?;
        return Ok(());
    }
    if fs::try_exists(&to).await? {
        confirm(args.force, &format!("Replace file {}", to.display()))?;
    }
    let progress = Progress::bytes(length, !args.no_progress);
    let part = beside(&to);
    let shown = part.display().to_string();
    let mut file = File::create(&part).await.with_context(|| format!("cannot write {shown}"))?;
    let copied = copy(&mut object, &mut file, &progress, jetstream).await;
    progress.finish();
    if let Err(error) = copied {
        // Half an object is of no use to anybody, and one that cannot be removed is named.
        fs::remove_file(&part).await.with_context(|| format!("cannot remove {shown}"))?;
        return Err(error);
    }
    fs::rename(&part, &to).await.with_context(|| format!("cannot write {}", to.display()))?;
    let took = duration::show(begin.elapsed());
    show::note(format_args!("Wrote {} to {} in {took}", amount(object.info()), to.display()));
    Ok(())
}

/// The last part of a name only: an object's name must not choose a folder here.
fn target(args: &GetArgs) -> Result<PathBuf> {
    if let Some(output) = &args.output {
        return Ok(output.clone());
    }
    let last = Path::new(&args.object).file_name();
    Ok(PathBuf::from(last.with_context(|| format!("{} is no name for a file; say --output", args.object))?))
}

/// A name of its own in the same folder, so that a rename suffices.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", nuid::next()));
    file.with_file_name(name)
}

/// Copies until the end. A server that has lost a part of an object would be waited for without end.
async fn copy(
    object: &mut Object,
    to: &mut (impl AsyncWrite + Unpin),
    progress: &Progress,
    jetstream: &JetStream,
) -> Result<()> {
    let (expected, mut received) = (u64::try_from(object.info().size)?, 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = time::timeout(jetstream.timeout, object.read(&mut buffer)).await;
        let read =
            read.unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, "the rest of the object does not come")))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        to.write_all(bytes).await?;
        progress.advance(read as u64);
        received += read as u64;
    }
    to.flush().await?;
    ensure!(received == expected, "the object has {expected} bytes, and {received} came");
    Ok(())
}

fn amount(info: &ObjectInfo) -> String {
    show::size(u64::try_from(info.size).unwrap_or(u64::MAX))
}

/// A source that tells a bar how much was read.
struct Counted<'a> {
    source: &'a mut (dyn AsyncRead + Unpin),
    progress: Progress,
}

impl AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut *self.source).poll_read(task, buffer);
        self.progress.advance((buffer.filled().len() - before) as u64);
        polled
    }
}

#[cfg(test)]
mod tests {
    //! Where objects are written to.

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        get: GetArgs,
    }

    #[test]
    fn a_name_chooses_no_folder() {
        #[track_caller]
        fn check(line: &str, expected: Option<&str>) {
            let args = Line::try_parse_from(["get", "b"].into_iter().chain(line.split_whitespace())).unwrap().get;
            assert_eq!(target(&args).ok(), expected.map(PathBuf::from), "{line}");
        }
        check("a", Some("a"));
        check("db/2026/a.dump", Some("a.dump"));
        check("/etc/passwd", Some("passwd"));
        check("../../a", Some("a"));
        check("..", None);
        check("a -O b/c", Some("b/c"));
        check(".. -O x", Some("x"));
    }

    #[test]
    fn what_is_being_written_stands_beside_its_place() {
        let part = beside(Path::new("a/b.dump"));
        assert_eq!(part.parent(), Some(Path::new("a")));
        assert!(part.to_str().unwrap().starts_with("a/b.dump.") && part.extension().unwrap() == "part", "{part:?}");
        assert_ne!(part, beside(Path::new("a/b.dump")));
    }
}
