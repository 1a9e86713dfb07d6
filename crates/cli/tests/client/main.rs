//! The client commands against a running server: the program of this package, or the one that `NATS_SERVER_BIN` names.

mod rig;

mod bench;
mod publish;
mod request;
mod server_check;
mod signal;
mod subscribe;
