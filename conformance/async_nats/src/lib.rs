//! Nothing: the package is about its tests, and those are taken from the published async-nats.
