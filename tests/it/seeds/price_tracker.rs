//! Prices as exact text, their changes in per cent, and the price at any instant.

use crate::bank::Kind;
use crate::client::Place;
use crate::support::python;

#[test]
fn price_tracker() {
    let place = Place::new(Kind::Sqlite);
    let _server = place.serve();
    let told = python::example("prices.py", &[], &place.url(), &place.key);
    let expected = "1 19.90 recorded\n2 21.90 recorded\n3 21.90 unchanged\n4 39.90 recorded\n\
        2026-03-02 19.90 -> 21.90 +10.1 % \n\
        2026-03-04 21.90 -> 39.90 +82.2 % LARGE\n\
        on the third: 21.90\n";
    assert_eq!(told, expected);
}
