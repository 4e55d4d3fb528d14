//! A model hub on loopback, in either layout.
