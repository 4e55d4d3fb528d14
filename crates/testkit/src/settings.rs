//! A signing settings server on loopback.
