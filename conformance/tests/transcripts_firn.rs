//! The transcripts against Firn.

firn_conformance::transcript_suites!(firn_conformance::environment::firn());
