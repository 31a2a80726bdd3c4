//! Whoever has the database's password changes something behind the log's back: verification finds
//! and names it, whatever it is. The cases are made from the live schema, so that a new table or
//! column is among them without anybody thinking of it.

pub mod books;
mod combos;
mod command;
pub mod edits;
mod explained;
mod matrix;
mod rewritten;
mod schema;
mod shown;
