//! Whatever happens to an object inside a block is recorded, and nothing of a block that failed: in Python; the guard
//! of `counterfoil-client` is the same for Rust.

use crate::bank::Kind;
use crate::client::Place;
use crate::support::python;

#[test]
fn wrapper() {
    let place = Place::new(Kind::Sqlite);
    let _server = place.serve();
    let told = python::example("wrapper.py", &[], &place.url(), &place.key);
    assert_eq!(told, "teller-4 asked for by letter (100, 250) (['new'], ['new', 'checked'])\n", "one change of three blocks");
}
