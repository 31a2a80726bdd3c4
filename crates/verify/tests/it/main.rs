//! Tests of the log format, the tree, and what travels: notes, checkpoints, proofs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod archive;
mod bank;
mod beside;
mod check;
mod checkpoint;
mod decode;
mod document;
mod found;
mod generation;
mod handed;
mod heads;
mod leaf;
mod note;
mod policy;
mod program;
mod proof;
mod rotation;
mod tile;
mod tlog_proof;
mod tree;
mod vectors;
