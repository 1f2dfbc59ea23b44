//! Supervision: who is started again after a failure, when, and when that is given up.
//!
//! [`plan`] decides, and does nothing else: the time, chance and every event are handed in, what is to be done comes out.

mod backoff;
mod intensity;
mod plan;
mod rules;
