//! Subjects of JetStream: what a request asks for, and what a delivered message is answered to.
//!
//! ```text
//!   $JS.API.CONSUMER.MSG.NEXT.ORDERS.worker    an operation and its names        operation
//!   $JS.hub.API.STREAM.INFO.ORDERS             the same, meant for a domain
//!   $JS.ACK.ORDERS.worker.1.7.7.1700000000.3   the reply of a delivered message  ack
//!   $JS.FC.ORDERS.worker.x7Qz                  a check of the flow of a push     ack
//! ```
//!
//! Parsing is total. Not here: whether a stream or consumer of that name exists.

mod ack;
mod operation;

pub use self::{
    ack::{Ack, AckPrefix, FlowControl},
    operation::{Address, Operation},
};
