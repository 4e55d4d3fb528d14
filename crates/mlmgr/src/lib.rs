//! Finds, fetches, verifies, keeps, updates and runs on-device models.
