//! Golden flows per event kind.
