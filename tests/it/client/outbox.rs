//! The Diesel example: what a transaction changes and what tells of it are there together, or neither is.

use counterfoil_client::{Client, Who};
use serde_json::json;

use super::house::{Place, items};
use crate::bank::on_both;

#[path = "../../../examples/diesel_outbox.rs"]
mod diesel_outbox;

use diesel_outbox::{bank, depth, drain, move_limit};

#[test]
fn an_outbox_table_tells_of_what_was_committed_once_and_in_order() {
    on_both(|kind| {
        let (place, mut conn) = (Place::new(kind), bank().unwrap());
        let who = Who::actor("john_doe").session("s-17").ip("192.0.2.7");
        move_limit(&mut conn, 1, 2, 500, &who).unwrap();
        // The second customer's limit would be too large: the first one's change is rolled back too.
        assert!(move_limit(&mut conn, 1, 2, 2_000, &who).is_err());
        assert_eq!(depth(&mut conn).unwrap(), (2, 0));
        let client = Client::builder(place.url(), &place.key).attempts(1).build().unwrap();
        assert!(drain(&mut conn, &client).is_err(), "nobody is there");
        move_limit(&mut conn, 2, 1, 300, &who).unwrap();
        assert_eq!(depth(&mut conn).unwrap(), (4, 0), "nothing is dropped");

        let mut server = place.serve();
        assert_eq!(drain(&mut conn, &client).unwrap(), 4);
        assert_eq!(depth(&mut conn).unwrap(), (0, 0));
        let first = items(&place.url(), &place.key, "/api/v1/records/customer/1/changes");
        let limit = |change: &serde_json::Value| {
            let field = change["fields"].as_array().unwrap().iter().find(|field| field["path"] == "/credit_limit").unwrap();
            (field["old"].as_i64().unwrap(), field["new"].as_i64().unwrap())
        };
        assert_eq!(first.iter().map(limit).collect::<Vec<_>>(), [(3_500, 3_800), (4_000, 3_500)]);
        assert_eq!(
            (&first[0]["actor"], &first[0]["reason"], &first[0]["breaks"]),
            (&json!("john_doe"), &json!("limit moved"), &json!(0))
        );

        // Killed after they were sent and before they were deleted: the same rows come again.
        move_limit(&mut conn, 1, 2, 100, &who).unwrap();
        let kept = rows(&mut conn);
        drain(&mut conn, &client).unwrap();
        put_back(&mut conn, &kept);
        server.kill9();
        let _server = place.serve();
        assert_eq!(drain(&mut conn, &client).unwrap(), 2);
        let again = items(&place.url(), &place.key, "/api/v1/records/customer/1/changes");
        assert_eq!(again.len(), 3, "{kind:?}: each once");
        place.verified();
    });
}

#[test]
fn a_row_that_is_refused_for_good_is_kept_with_its_reason() {
    let (place, mut conn) = (Place::new(crate::bank::Kind::Sqlite), bank().unwrap());
    let _server = place.serve();
    put_back(&mut conn, &[r#"{"source_ref":"X","type":"NOT A TYPE","id":"1","action":"delete"}"#.to_owned()]);
    move_limit(&mut conn, 1, 2, 500, &Who::default()).unwrap();
    assert_eq!(drain(&mut conn, &place.client()).unwrap(), 3);
    assert_eq!(depth(&mut conn).unwrap(), (0, 1));
}

fn rows(conn: &mut diesel::SqliteConnection) -> Vec<String> {
    use diesel::prelude::*;
    diesel_outbox::outbox::table.select(diesel_outbox::outbox::row).order(diesel_outbox::outbox::id).load(conn).unwrap()
}

fn put_back(conn: &mut diesel::SqliteConnection, rows: &[String]) {
    use diesel::prelude::*;
    for row in rows {
        diesel::insert_into(diesel_outbox::outbox::table).values(diesel_outbox::outbox::row.eq(row)).execute(conn).unwrap();
    }
}
