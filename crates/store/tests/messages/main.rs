//! A stream's messages answer as a plain list of them would, whatever is done to them.

mod model;

mod answers;

mod memory;
