//! Who changed which field of a record, when and why, from any program with a key.

use crate::bank::Kind;
use crate::client::Place;
use crate::support::python;

#[test]
fn history_query() {
    let place = Place::new(Kind::Sqlite);
    let _server = place.serve();
    python::example("prices.py", &[], &place.url(), &place.key);
    let told = python::example("history.py", &["price", "P-1", "2026-03-02T12:00:00Z"], &place.url(), &place.key);
    let expected = "2026-03-01T09:00:00Z buyer-2 /currency None -> CHF (first)\n\
        2026-03-01T09:00:00Z buyer-2 /price None -> 19.90 (first)\n\
        2026-03-02T09:00:00Z buyer-2 /price 19.90 -> 21.90 (supplier)\n\
        2026-03-04T09:00:00Z buyer-2 /price 21.90 -> 39.90 (a mistake?)\n\
        at 2026-03-02T12:00:00Z version 2 {'currency': 'CHF', 'price': '21.90'}\n";
    assert_eq!(told, expected);
}
