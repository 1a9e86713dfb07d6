//! The transcripts against `nats-server`: what they expect is what it says.

firn_conformance::transcript_suites!(firn_conformance::environment::nats_server());
