//! Keeps a verified copy of Remote Settings collections and their attachments.
