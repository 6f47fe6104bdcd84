//! The page through a real connection.
