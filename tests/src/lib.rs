//! Shared by rings 3 and 4.
