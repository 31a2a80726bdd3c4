//! What is excluded never leaves, and what is sensitive is sealed, whatever its column is called meanwhile.

use counterfoil::capture::Spec;
use counterfoil::records::{newest, store};

use super::house::{Beside, Core};
use crate::bank::{Kind, on_both};
use crate::privacy::ready_to_seal;
use crate::site::Site;

const CUSTOMERS: &str = "CREATE TABLE customer (no text PRIMARY KEY, name text, tax text, photo text, notes text)";

fn customer(exclude: &str, sensitive: &[&str]) -> Spec {
    let sensitive = sensitive.iter().map(|name| (*name).to_owned()).collect();
    Spec { table: "customer".into(), exclude: vec![exclude.into()], sensitive, ..Spec::default() }
}

fn version(bank: &Beside, id: &str) -> i64 {
    let source = bank.site.app.db.read(|conn| counterfoil::access::store::source_by_name(conn, "core")).unwrap().unwrap();
    let state = bank.site.app.db.read(|conn| match store::record_by_reference(conn, source, "customer", id)? {
        Some(record) => newest(conn, record.id),
        None => Ok(None),
    });
    state.unwrap().map_or(0, |state| state.version)
}

#[track_caller]
fn nothing_in_the_clear(bank: &Beside) {
    let stored = bank.stored();
    let found: Vec<&str> =
        ["canary-tax", "canary-photo", "canary-note"].into_iter().filter(|word| stored.contains(word)).collect();
    assert!(found.is_empty(), "in the clear: {found:?}");
    assert!(stored.contains("Ann"), "what may be seen is");
}

#[test]
fn a_row_queued_under_another_name_of_its_columns_never_leaves_in_the_clear() {
    on_both(|kind| {
        let mut bank = Beside::new(Site::now(kind, |_| {}), CUSTOMERS);
        ready_to_seal(&bank.site.bank);
        bank.add(customer("photo", &["tax"])).unwrap();
        bank.sql(
            "INSERT INTO customer VALUES ('A', 'Ann', 'canary-tax-1', 'canary-photo-1', 'canary-note-1'); \
             ALTER TABLE customer RENAME tax TO tin; ALTER TABLE customer RENAME photo TO picture; \
             UPDATE customer SET tin = 'canary-tax-2', picture = 'canary-photo-2'; \
             ALTER TABLE customer RENAME name TO x; ALTER TABLE customer RENAME tin TO name; ALTER TABLE customer RENAME x TO tin; \
             UPDATE customer SET name = 'canary-tax-3', tin = 'Anna', picture = 'canary-photo-3'",
        );
        let queued =
            bank.sql("SELECT string_agg(coalesce(old::text, '') || coalesce(new::text, ''), '') FROM counterfoil_capture.queue");
        assert!(
            queued.contains("canary-tax-3") && !queued.contains("canary-photo"),
            "it does not even reach the queue: {queued}"
        );
        // Nobody has told the settings: the notes are what they say may be seen.
        bank.sql("UPDATE counterfoil_capture.queue SET old = old - 'notes', new = new - 'notes' WHERE action <> 'DDL'");
        bank.turn().unwrap();
        assert_eq!((bank.waiting().as_str(), version(&bank, "A")), ("0", 3), "{kind:?}: and nothing had to wait");
        nothing_in_the_clear(&bank);

        // Rows that were queued before a column became a sensitive one, and it was renamed since.
        bank.sql("INSERT INTO customer VALUES ('B', 'Bea', 'canary-tax-4', 'canary-photo-4', 'canary-note-2')");
        bank.sql("ALTER TABLE customer RENAME notes TO remarks; ALTER TABLE customer RENAME picture TO image");
        let forgotten = bank.add(customer("image", &["remarks"])).unwrap_err().to_string();
        assert!(forgotten.contains("column name of public.customer is sealed"), "{forgotten}");
        let forgotten = bank.add(customer("tin", &["name", "remarks"])).unwrap_err().to_string();
        assert!(forgotten.contains("column image of public.customer is excluded"), "{forgotten}");
        bank.add(customer("image", &["name", "remarks"])).unwrap();
        bank.sql("INSERT INTO customer VALUES ('C', 'Cora', 'canary-tax-5', 'canary-photo-5', 'canary-note-3')");
        bank.turn().unwrap();
        assert_eq!((version(&bank, "B"), version(&bank, "C")), (1, 1));
        nothing_in_the_clear(&bank);
        assert!(bank.stored().contains("Cora") && bank.waiting() == "0");

        // What is gone may be in another column now: that waits for somebody to say so.
        bank.sql("ALTER TABLE customer ADD copied text; UPDATE customer SET copied = name; ALTER TABLE customer DROP name");
        let why = bank.turn().unwrap_err().to_string();
        assert!(why.contains("no column name any more") && bank.waiting() != "0", "{why}");
        bank.add(customer("image", &["copied", "remarks"])).unwrap();
        bank.turn().unwrap();
        assert_eq!(bank.waiting(), "0");
        nothing_in_the_clear(&bank);
        assert_eq!(bank.site.bank.findings(), []);
    });
}

#[test]
fn settings_that_hide_what_the_triggers_do_not_are_waited_for() {
    let mut bank = Beside::new(Site::now(Kind::Sqlite, |_| {}), CUSTOMERS);
    bank.add(customer("photo", &[])).unwrap();
    bank.settings.table[0].exclude.push("notes".into());
    bank.sql("INSERT INTO customer VALUES ('A', 'Ann', 't', 'p', 'canary-note-1')");
    let why = bank.turn().unwrap_err().to_string();
    assert!(why.contains("column notes is excluded by the settings") && why.contains("--exclude notes"), "{why}");
    assert!(!bank.stored().contains("canary-note"));
}

#[test]
fn a_row_with_a_column_of_which_nobody_knows_is_refused_and_recorded_as_it_is() {
    let bank = Core::new(Kind::Sqlite, CUSTOMERS);
    bank.add("customer", &["--exclude", "photo"]);
    bank.sql(
        "ALTER TABLE customer ADD extra text; INSERT INTO customer (no, name, extra) VALUES ('A', 'Ann', 'canary'); \
         ALTER TABLE customer RENAME extra TO secret",
    );
    bank.add("customer", &["--exclude", "photo", "--exclude", "secret"]);
    let serving = bank.serve();
    bank.drained(&serving);
    let listed = bank.capture(&["list", "--json"]).succeeded().stdout;
    assert!(listed.contains("column_unknown") && listed.contains("column extra"), "{listed}");
    assert_eq!(serving.get("/api/v1/records/customer/A").0, 404);
    bank.capture(&["reconcile", "core", "--record"]).succeeded();
    assert_eq!(bank.sql("SELECT count(*) FROM counterfoil_capture.rejected"), "0");
    let text = serving.text("/api/v1/records/customer/A").1;
    assert!(text.contains("Ann") && !text.contains("canary") && !text.contains("secret"), "{text}");
    // A renamed column is excluded from a comparison too.
    bank.sql("ALTER TABLE customer RENAME secret TO plain");
    bank.drained(&serving);
    let compared = bank.capture(&["reconcile", "core"]).succeeded();
    assert!(compared.stdout.is_empty(), "{compared:?}");
    let found = bank.capture(&["check"]).failed_with(1).stdout;
    assert!(found.contains("column secret is called plain now"), "{found}");
    drop(serving);
    bank.verified();
}

/// What version 1 made in the bank's database, as far as it differs.
const VERSION_1: &str = "ALTER TABLE counterfoil_capture.captured DROP hidden, DROP names, DROP since, DROP drained_as; \
    ALTER TABLE counterfoil_capture.queue DROP sealed; DROP TABLE counterfoil_capture.restored; \
    UPDATE counterfoil_capture.installation SET version = 1; \
    CREATE OR REPLACE FUNCTION counterfoil_capture.captured_1() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ \
    DECLARE before jsonb := to_jsonb(OLD) - '{photo}'::text[]; after jsonb := to_jsonb(NEW) - '{photo}'::text[]; BEGIN \
    INSERT INTO counterfoil_capture.queue (capture, action, old, new) VALUES (1, TG_OP, before, after); RETURN NULL; END $$; \
    CREATE OR REPLACE FUNCTION counterfoil_capture.captured_2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN \
    INSERT INTO counterfoil_capture.queue (capture, action, old, new) VALUES (2, TG_OP, to_jsonb(OLD), to_jsonb(NEW)); RETURN NULL; END $$";

#[test]
fn what_an_earlier_version_made_waits_where_it_hides_something_and_is_brought_up_to_date() {
    let mut bank = Beside::new(Site::now(Kind::Sqlite, |_| {}), &format!("{CUSTOMERS}; CREATE TABLE plain (id int PRIMARY KEY)"));
    bank.add(customer("photo", &[])).unwrap();
    bank.add(Spec { table: "plain".into(), ..Spec::default() }).unwrap();
    bank.turn().unwrap();
    bank.sql(VERSION_1);
    bank.sql(
        "INSERT INTO plain VALUES (1); INSERT INTO customer VALUES ('A', 'Ann', 't', 'canary-photo-1', 'n'); \
         ALTER TABLE customer RENAME photo TO picture; UPDATE customer SET picture = 'canary-photo-2'",
    );
    let why = bank.turn().unwrap_err().to_string();
    assert!(why.contains("run `capture add` again with --exclude photo"), "{why}");
    let waiting = "SELECT string_agg(DISTINCT capture::text, ' ') FROM counterfoil_capture.queue WHERE action <> 'DDL'";
    assert_eq!(bank.sql(waiting), "1", "the table that hides nothing is drained all the same");
    let forgotten = bank.add(customer("notes", &[])).unwrap_err().to_string();
    assert!(forgotten.contains("column picture of public.customer is excluded"), "{forgotten}");
    bank.add(customer("picture", &[])).unwrap();
    bank.sql("UPDATE customer SET notes = 'm'");
    bank.turn().unwrap();
    assert_eq!((bank.waiting().as_str(), version(&bank, "A")), ("0", 2), "the first update changed nothing but what is left out");
    nothing_in_the_clear(&bank);
    bank.add(Spec { table: "plain".into(), ..Spec::default() }).unwrap();
    bank.sql("INSERT INTO plain VALUES (2)");
    bank.turn().unwrap();
    assert_eq!(bank.site.bank.findings(), []);
}

#[test]
fn a_value_copied_to_a_new_column_is_sealed_until_somebody_declares_the_column() {
    on_both(|kind| {
        let mut bank = Beside::new(Site::now(kind, |_| {}), CUSTOMERS);
        ready_to_seal(&bank.site.bank);
        bank.add(customer("photo", &["tax"])).unwrap();
        bank.sql("INSERT INTO customer (no, name, tax) VALUES ('A', 'Ann', 'canary-tax-1'), ('B', 'Bea', 'canary-tax-2')");
        // As a bank moves a column: a new one, the values copied, drained meanwhile; and one made anew under a name that was known.
        bank.sql(
            "ALTER TABLE customer ADD tin text; ALTER TABLE customer DROP notes; ALTER TABLE customer ADD notes text; \
             UPDATE customer SET tin = tax, notes = tax WHERE no = 'A'",
        );
        bank.turn().unwrap();
        assert_eq!((bank.waiting().as_str(), version(&bank, "A")), ("0", 2), "{kind:?}: it is recorded, and nothing waits");
        nothing_in_the_clear(&bank);
        bank.sql("UPDATE customer SET tin = tax WHERE no = 'B'; ALTER TABLE customer RENAME tin TO number");
        bank.turn().unwrap();
        nothing_in_the_clear(&bank);
        let problems = bank.check().join("; ");
        assert!(problems.contains("column number is new: its values are sealed until"), "{problems}");
        // Declared to be sensitive, it stays so; what is not named is in the clear from then on, and that is said.
        let added = bank.add(customer("photo", &["tax", "number"])).unwrap();
        assert!(added.warnings.iter().any(|warning| warning.contains("in the clear from now on: notes")), "{added:?}");
        bank.sql("INSERT INTO customer (no, name, number, notes) VALUES ('C', 'Cora', 'canary-tax-3', 'a plain note')");
        bank.turn().unwrap();
        nothing_in_the_clear(&bank);
        assert!(bank.stored().contains("a plain note"));
        assert_eq!(bank.site.bank.findings(), []);
    });
}
