//! The messages of a stream, as the store keeps them.

pub use firn_store::{
    frame::{Frame, Message, NewMessage},
    messages::{Access, Fetch, Filter, Loaded, Messages, Removed, State, Storage, SubjectState},
};

/// What is known at once, as a result: `?` leaves with what has to be read.
pub(crate) fn ready<T>(access: Access<T>) -> Result<T, Fetch> {
    match access {
        Access::Ready(value) => Ok(value),
        Access::Cold(fetch) => Err(fetch),
    }
}
