//! Actors and a message bus.
