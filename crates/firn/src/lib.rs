//! A NATS server as a library: the server of `firn server`, started, used and ended by your program.
//!
//! A program may connect to its own server without a socket. The stream speaks the NATS protocol, as a client library
//! or a few lines can:
//!
//! ```
//! use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, split};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = firn::Server::builder().host("127.0.0.1").port(-1).start().await?;
//!     println!("clients connect to {}", server.client_address());
//!
//!     let (reader, mut writer) = split(server.connect_in_process().ok_or("the server is leaving")?);
//!     let mut lines = BufReader::new(reader).lines();
//!     assert!(lines.next_line().await?.ok_or("no INFO")?.starts_with("INFO {"));
//!
//!     writer.write_all(b"CONNECT {\"verbose\":false}\r\nSUB greetings 1\r\nPUB greetings 5\r\nhello\r\n").await?;
//!     assert_eq!(lines.next_line().await?.as_deref(), Some("MSG greetings 1 5"));
//!     assert_eq!(lines.next_line().await?.as_deref(), Some("hello"));
//!
//!     server.shutdown().await;
//!     assert_eq!(lines.next_line().await?, None);
//!     Ok(())
//! }
//! ```

pub use firn_server::{Builder, Options, Running, Server, StartError};
