//! Tests of the log format and of the tree.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod document;
mod leaf;
mod proof;
mod tile;
mod tree;
mod vectors;
