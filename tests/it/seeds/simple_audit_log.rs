//! One call for each thing that was done, with old and new values: a plain Python program.

use crate::bank::Kind;
use crate::client::{Place, items};
use crate::support::python;

#[test]
fn simple_audit_log() {
    let place = Place::new(Kind::Sqlite);
    let _server = place.serve();
    let told = python::example("audit_log.py", &[], &place.url(), &place.key);
    let expected = "refused value_unknown\n\
        1 create john_doe - ['/city', '/name']\n\
        2 update john_doe moved house ['/city']\n\
        3 delete john_doe account closed []\n\
        hits ['high-value'] breaks []\n";
    assert_eq!(told, expected);
    let entries = items(&place.url(), &place.key, "/api/v1/accounts/ACC-1/entries");
    assert_eq!((entries.len(), &entries[0]["amount"]), (1, &"15000.00".into()));
    place.verified();
}
