//! The services through the real client.
