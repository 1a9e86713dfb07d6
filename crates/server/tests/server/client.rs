//! A client of a few lines, and a folder for the files of a test.

use std::{fs, future::Future, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Nothing in these tests takes so long, unless it never comes.
const NEVER: Duration = Duration::from_secs(10);

/// What comes within reason.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(NEVER, what).await.expect("it came in time")
}

pub(crate) struct Client<S> {
    stream: BufReader<S>,
}

impl Client<TcpStream> {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Client::new(TcpStream::connect(("127.0.0.1", address.port())).await.unwrap())
    }

    /// The socket itself, as long as nothing was read from it but lines.
    pub(crate) fn into_inner(self) -> TcpStream {
        assert!(self.stream.buffer().is_empty(), "the server said more than INFO");
        self.stream.into_inner()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next line without its end; none at the end of the stream.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        // A reset is an end too.
        let count = soon(self.stream.read_line(&mut line)).await.unwrap_or(0);
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// The next line is this.
    pub(crate) async fn expect(&mut self, line: &str) {
        assert_eq!(self.line().await.as_deref(), Some(line));
    }

    /// The next line is an `INFO`.
    pub(crate) async fn info(&mut self) -> String {
        let line = self.line().await.expect("INFO before the end");
        assert!(line.starts_with("INFO {"), "{line}");
        line
    }

    /// Signs in and waits until that is done.
    pub(crate) async fn sign_in(&mut self, fields: &str) {
        self.send(&format!("CONNECT {{\"verbose\":false{fields}}}\r\nPING\r\n")).await;
        self.expect("PONG").await;
    }

    /// Nothing more comes but the end.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.line().await, None);
    }
}

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("firn-server-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
