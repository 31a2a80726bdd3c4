//! The rights of the three roles of PostgreSQL, table by table. A test fails for a table that is not here.

/// Owns the database and its tables, changes the schema, cannot log in.
pub const OWNER: &str = "counterfoil_owner";
/// `serve` and every command that writes.
pub const WRITER: &str = "counterfoil_writer";
/// Whoever only looks: BI tools, auditors. It sees no credentials and nothing on its way to the leader.
pub const READER: &str = "counterfoil_reader";

/// Rows of these are appended and never changed.
const APPEND: &str = "SELECT, INSERT";
/// Rows of these are also brought up to date.
const KEEP: &str = "SELECT, INSERT, UPDATE";
/// Rows of these come and go.
const TURN: &str = "SELECT, INSERT, UPDATE, DELETE";
/// Rows of these come and go, and never change meanwhile.
const PASS: &str = "SELECT, INSERT, DELETE";

/// Every table (triggers let private parts, accounts and contexts go under an erasure only): what the writer may do with it, and whether the reader may read it.
pub const RIGHTS: &[(&str, &str, bool)] = &[
    ("__diesel_schema_migrations", "SELECT", true),
    ("account_states", TURN, true),
    ("accounts", KEEP, true),
    ("acts", KEEP, true),
    ("alerts", KEEP, true),
    ("anchors", APPEND, true),
    ("api_keys", KEEP, false),
    ("asides", APPEND, true),
    ("breaks", KEEP, true),
    ("checkpoints", APPEND, true),
    ("contexts", KEEP, true),
    ("data_keys", KEEP, false),
    ("day_figures", KEEP, true),
    ("day_ranges", KEEP, true),
    ("day_refusals", KEEP, true),
    ("deliveries", APPEND, true),
    ("entries", APPEND, true),
    ("entry_parts", PASS, true),
    ("erased", APPEND, true),
    ("erasures", APPEND, true),
    ("event_parts", PASS, true),
    ("events", APPEND, true),
    ("feed_closings", APPEND, true),
    ("forwards", KEEP, true),
    ("generations", APPEND, true),
    ("hits", APPEND, true),
    ("holds", KEEP, true),
    ("import_runs", KEEP, true),
    ("inbox", TURN, false),
    ("index_pages", PASS, true),
    ("index_runs", PASS, true),
    ("jobs", KEEP, true),
    ("key_rotations", APPEND, true),
    ("leader", KEEP, true),
    ("log_state", KEEP, true),
    ("mail_groups", KEEP, true),
    ("outbox", KEEP, true),
    ("proposals", KEEP, true),
    ("record_breaks", KEEP, true),
    ("record_changes", KEEP, true),
    ("record_fields", PASS, true),
    ("record_snapshots", KEEP, true),
    ("records", KEEP, true),
    ("recovery_keys", KEEP, true),
    ("reports", APPEND, true),
    ("reversals", APPEND, true),
    ("rule_sets", APPEND, true),
    ("sealed_parts", PASS, false),
    ("searches", PASS, false),
    ("sessions", TURN, false),
    ("sources", APPEND, true),
    ("tiles", APPEND, true),
    ("users", KEEP, false),
];
