//! SQLAlchemy's events, an outbox in the same transaction, and a drainer.

use crate::bank::on_both;
use crate::client::Place;
use crate::support::python;

#[test]
fn orm_events() {
    on_both(|kind| {
        let place = Place::new(kind);
        let _server = place.serve();
        let told = python::example("orm_events.py", &[], &place.url(), &place.key);
        let expected = "away, waiting 3\nsent 3\nsent 0\n\
            create john_doe {'/city': 'Bern', '/credit_limit': 100, '/name': 'Ann'} 0\n\
            update john_doe {'/city': 'Basel'} 0\n\
            delete john_doe {} 0\n";
        assert_eq!(told, expected, "{kind:?}: nothing of what was rolled back");
        place.verified();
    });
}
