//! The client protocol.

pub mod connect;
pub mod decode;
pub mod encode;
pub mod info;
