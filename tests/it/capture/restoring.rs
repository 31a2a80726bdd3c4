//! Going back in the bank's own table: two officers decide it, one transaction does it, and what the table reports is the
//! new change.

use counterfoil::access::Role;
use counterfoil::app::carry_out_due;
use counterfoil::approvals::State;
use counterfoil::capture::{self, Spec};
use counterfoil::config::Capture;
use counterfoil::db::Outside;
use counterfoil::ids::Seq;
use counterfoil::records::store;

use super::house::Beside;
use crate::bank::{Kind, on_both};
use crate::desk::{approve, ending, officer, page, proposal_of, send, state};
use crate::privacy::ready_to_seal;
use crate::site::{SignedIn, Site};
use crate::support::cluster::cluster;

const WHY: &str = "The limit was raised by mistake, as the branch's letter of today says.";
const TABLES: &str = "CREATE TABLE customer (region text, no bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, credit numeric(30,4), \
    tags jsonb, tax text, photo text, seen timestamptz, len int GENERATED ALWAYS AS (length(name)) STORED, \
    touched int NOT NULL DEFAULT 0, PRIMARY KEY (region, no)); \
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := OLD.touched + 1; RETURN NEW; END'; \
    CREATE TRIGGER touch BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION touch();";
const ROW: &str = "SELECT name, credit, tags, tax, photo, seen AT TIME ZONE 'UTC', len, touched FROM public.customer";

/// A captured table with a role that may write to it.
struct Desk {
    bank: Beside,
    role: String,
}

impl Desk {
    fn new(kind: Kind) -> Desk {
        let core = cluster().empty_database();
        let role = format!("restorer_{}", core.name());
        core.sql(&format!("{TABLES} CREATE ROLE {role} LOGIN")).unwrap();
        let spec = Spec {
            table: "customer".into(),
            exclude: vec!["photo".into()],
            sensitive: vec!["tax".into()],
            restorer: Some(role.clone()),
            ..Spec::default()
        };
        let added = capture::add(&mut Outside::connect(core.url(), None).unwrap(), &spec).unwrap();
        let settings = Capture {
            name: "core".into(),
            url: core.url().to_owned(),
            restore_url: core.url_as(&role),
            table: vec![added.table],
            ..Capture::default()
        };
        let site = Site::now(kind, |config| config.capture = vec![settings.clone()]);
        ready_to_seal(&site.bank);
        Desk { bank: Beside { core, site, settings }, role }
    }

    fn record(&self) -> Seq {
        let db = &self.bank.site.app.db;
        let source = db.read(|conn| counterfoil::access::store::source_by_name(conn, "core")).unwrap().unwrap();
        db.read(|conn| store::record_by_reference(conn, source, "customer", "EU~1x/1")).unwrap().unwrap().id
    }

    fn newest(&self) -> store::ChangeRow {
        let record = self.record();
        self.bank.site.app.db.read(|conn| store::newest(conn, record)).unwrap().unwrap()
    }

    /// What one officer proposes from the page and another approves.
    fn decided(&self, who: &SignedIn, version: i64, approver: Seq) -> Seq {
        let path = format!("/records/{}/restore", self.record());
        let form = [("version", version.to_string()), ("reason", WHY.to_owned()), ("at_source", "yes".to_owned())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let id = proposal_of(&send(&self.bank.site, who, &path, &form));
        assert_eq!(state(&self.bank.site, id), State::Submitted);
        approve(&self.bank.site, id, approver);
        carry_out_due(&self.bank.site.app).unwrap();
        assert_eq!(state(&self.bank.site, id), State::Approved, "whoever drains the table does it");
        id
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.bank.core.sql(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.role));
    }
}

#[test]
fn a_row_is_brought_back_in_the_banks_table_once_and_recorded_as_that() {
    on_both(|kind| {
        let desk = Desk::new(kind);
        let bank = &desk.bank;
        let (ada, bob) = (bank.site.sign_in(Role::Officer), officer(&bank.site, "bob"));
        bank.sql(
            "INSERT INTO customer (region, name, credit, tags, tax, photo, seen) VALUES ('EU/x', 'Ann', 12345678901234567890.1230, \
             '{\"a\": {\"b\": 1.10}, \"l\": [1, null]}', 'TAX-CANARY', 'PHOTO-1', '2026-03-02 09:00+00'); \
             UPDATE customer SET name = 'Anna', credit = NULL, tags = '{}', tax = 'other', photo = 'PHOTO-2', seen = now()",
        );
        bank.turn().unwrap();
        let shown = page(&bank.site, &ada, &format!("/records/{}?version=1", desk.record())).text;
        assert!(shown.contains("What going back would change") && shown.contains("name=\"at_source\""), "{shown}");
        assert!(shown.contains("public.customer"), "{shown}");
        let id = desk.decided(&ada, 1, bob);
        let effects = page(&bank.site, &ada, &format!("/approvals/{id}")).text;
        assert!(effects.contains("In the bank") && effects.contains("own table, by [[capture]] core"), "{effects}");
        bank.turn().unwrap();
        // Killed now, the bank has it and the log has not: whoever drains next goes on from there.
        let row =
            "Ann|12345678901234567890.1230|{\"a\": {\"b\": 1.10}, \"l\": [1, null]}|TAX-CANARY|PHOTO-2|2026-03-02 09:00:00|3|2";
        assert_eq!(bank.sql(ROW), row, "{kind:?}");
        assert_eq!((state(&bank.site, id), bank.waiting().as_str()), (State::Approved, "1"));
        let queued = bank.sql("SELECT actor, reason, session LIKE 'restore: %', role FROM counterfoil_capture.queue");
        assert_eq!(queued, format!("officer@bank.example|{WHY}|t|{}", desk.role));
        for _ in 0..3 {
            bank.turn().unwrap();
        }
        assert_eq!((state(&bank.site, id), bank.sql(ROW).as_str()), (State::CarriedOut, row), "once");
        let newest = desk.newest();
        let record = desk.record();
        let target = bank.site.app.db.read(|conn| store::version(conn, record, 1)).unwrap().unwrap();
        assert_eq!((newest.version, newest.restores), (3, Some(target.seq)), "the change names the version");
        let proposal = bank.site.app.db.read(|conn| counterfoil::approvals::find(conn, id)).unwrap().unwrap();
        assert_eq!(proposal.outcome.unwrap()["event"], newest.seq);
        assert!(!bank.stored().contains("TAX-CANARY") && !bank.stored().contains("PHOTO-"));
        // Nobody but a decided proposal can make a change one that restores.
        bank.sql(
            "BEGIN; SELECT set_config('counterfoil.session', 'restore: x 1', true); UPDATE customer SET name = 'Eve'; COMMIT",
        );
        bank.turn().unwrap();
        assert_eq!((desk.newest().version, desk.newest().restores), (4, None));
        assert_eq!(bank.site.bank.findings(), []);
    });
}

#[test]
fn a_row_that_is_not_what_was_decided_upon_stays_as_it_is() {
    on_both(|kind| {
        let desk = Desk::new(kind);
        let bank = &desk.bank;
        let (ada, bob) = (bank.site.sign_in(Role::Officer), officer(&bank.site, "bob"));
        let drained = |sql: &str| {
            bank.sql(sql);
            bank.turn().unwrap();
        };
        drained("INSERT INTO customer (region, name) VALUES ('EU/x', 'Ann')");
        drained("UPDATE customer SET name = 'Anna'");
        // Changed behind every trigger's back.
        let id = desk.decided(&ada, 1, bob);
        bank.sql(
            "SET session_replication_role = replica; ALTER TABLE customer DISABLE TRIGGER \"00_counterfoil_update\"; \
            UPDATE customer SET credit = 7; ALTER TABLE customer ENABLE ALWAYS TRIGGER \"00_counterfoil_update\"",
        );
        bank.turn().unwrap();
        assert_eq!(state(&bank.site, id), State::Refused);
        assert!(ending(&bank.site, id).contains("changed meanwhile, or without being recorded"), "{}", ending(&bank.site, id));
        assert_eq!(
            bank.sql("SELECT name, credit, (SELECT count(*) FROM counterfoil_capture.restored) FROM customer"),
            "Anna|7.0000|0"
        );
        // Changed and recorded: it is another record than the one that was decided upon.
        drained("UPDATE customer SET credit = NULL, name = 'Anna'");
        drained("UPDATE customer SET name = 'Annabel'");
        let id = desk.decided(&ada, 1, bob);
        drained("UPDATE customer SET name = 'Bea'");
        assert!(ending(&bank.site, id).contains("was changed since"), "{}", ending(&bank.site, id));
        assert_eq!(bank.sql("SELECT name FROM customer"), "Bea");
        // The bank's own rules hold.
        drained("ALTER TABLE customer ADD CHECK (name <> 'Ann')");
        let id = desk.decided(&ada, 1, bob);
        bank.turn().unwrap();
        assert!(ending(&bank.site, id).contains("a check fails: customer_name_check"), "{}", ending(&bank.site, id));
        drained("ALTER TABLE customer DROP CONSTRAINT customer_name_check");
        // A deleted row is made again, unless somebody has made it meanwhile.
        drained("DELETE FROM customer");
        let version = desk.newest().version - 1;
        let id = desk.decided(&ada, version, bob);
        bank.turn().unwrap();
        bank.turn().unwrap();
        assert_eq!(
            (state(&bank.site, id), bank.sql("SELECT region, no, name FROM customer").as_str()),
            (State::CarriedOut, "EU/x|1|Bea")
        );
        assert!(desk.newest().restores.is_some());
        // It cannot be deleted from here, and who may not write there is said.
        let shown = page(&bank.site, &ada, &format!("/records/{}?version={}", desk.record(), version + 1)).text;
        assert!(shown.contains("no row is deleted there from here") && !shown.contains("name=\"at_source\""), "{shown}");
        let rights = format!(
            "SELECT has_table_privilege('{0}', 'customer', 'DELETE'), has_column_privilege('{0}', 'customer', 'photo', 'SELECT'), \
            has_column_privilege('{0}', 'customer', 'no', 'UPDATE'), has_table_privilege('{0}', 'counterfoil_capture.queue', 'SELECT')",
            desk.role
        );
        assert_eq!(bank.sql(&rights), "f|f|f|f");
        assert_eq!(bank.site.bank.findings(), []);
    });
}

#[test]
fn what_the_banks_own_trigger_refuses_ends_the_proposal_with_its_words_and_no_value() {
    on_both(|kind| {
        let desk = Desk::new(kind);
        let bank = &desk.bank;
        let (ada, bob) = (bank.site.sign_in(Role::Officer), officer(&bank.site, "bob"));
        bank.sql("INSERT INTO customer (region, name, credit, tax) VALUES ('EU/x', 'Ann', 900, 'TAX-CANARY-1')");
        bank.turn().unwrap();
        bank.sql("UPDATE customer SET credit = 100, tax = 'TAX-CANARY-2'");
        bank.turn().unwrap();
        bank.sql(
            "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.credit > 500 THEN \
             RAISE EXCEPTION ''credit above 500 needs the board, % has % and %'', NEW.name, NEW.credit, NEW.tax; END IF; RETURN NEW; END'; \
             CREATE TRIGGER guard BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION guard()",
        );
        bank.turn().unwrap();
        let id = desk.decided(&ada, 1, bob);
        bank.turn().unwrap();
        let why = ending(&bank.site, id);
        assert_eq!(state(&bank.site, id), State::Refused, "{kind:?}: {why}");
        assert!(why.contains("SQLSTATE P0001") && why.contains("credit above 500 needs the board,"), "{why}");
        for canary in ["CANARY", "TAX", "Ann", "900"] {
            assert!(!why.contains(canary), "{why}");
        }
        let shown = page(&bank.site, &ada, &format!("/approvals/{id}")).text;
        assert!(shown.contains("needs the board") && !shown.contains("TAX-CANARY"), "{shown}");
        assert_eq!(bank.sql("SELECT credit, (SELECT count(*) FROM counterfoil_capture.restored) FROM customer"), "100.0000|0");
        // One that fires at the end of the transaction refuses as well.
        bank.sql(
            "DROP TRIGGER guard ON customer; CREATE CONSTRAINT TRIGGER guard AFTER UPDATE ON customer DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION guard()",
        );
        bank.turn().unwrap();
        let id = desk.decided(&ada, 1, bob);
        bank.turn().unwrap();
        assert!(ending(&bank.site, id).contains("needs the board"), "{}", ending(&bank.site, id));
        bank.sql("DROP TRIGGER guard ON customer");
        bank.turn().unwrap();
        // What passes by itself is waited for.
        let id = desk.decided(&ada, 1, bob);
        bank.sql(
            "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''later'' USING ERRCODE = ''55P03''; END'; \
             CREATE TRIGGER busy BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION busy()",
        );
        bank.turn().unwrap();
        assert_eq!(state(&bank.site, id), State::Approved, "it is tried again");
        bank.sql("DROP TRIGGER busy ON customer");
        bank.turn().unwrap();
        bank.turn().unwrap();
        bank.turn().unwrap();
        assert_eq!(state(&bank.site, id), State::CarriedOut);
        assert_eq!(bank.sql("SELECT credit, tax FROM customer"), "900.0000|TAX-CANARY-1");
        assert_eq!(bank.site.bank.findings(), []);
    });
}
