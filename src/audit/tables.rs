//! Every table, and how it is held against the log; what is left out, and why.
//!
//! A table on neither list fails a test, so that none can be added unnoticed.

use serde::Serialize;

/// What verification does not hold against the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Exempt {
    /// The table.
    pub table: &'static str,
    /// The column; `None`: all of it.
    pub column: Option<&'static str>,
    /// Why that is no gap.
    pub reason: &'static str,
}

const fn exempt(table: &'static str, column: Option<&'static str>, reason: &'static str) -> Exempt {
    Exempt { table, column, reason }
}

/// Tables and columns that are not compared.
pub const EXEMPT: &[Exempt] = &[
    exempt("inbox", None, "requests on their way between two processes, read once and removed; what they do is in the log"),
    exempt("leader", None, "where the process that holds the lease answers, for those that stand by; its epoch is in the log"),
    exempt("forwards", None, "how far each receiver of the log is; what it got carries its own proof"),
    exempt(
        "mail_groups",
        None,
        "until when further mail of a kind is held back, at most five minutes; the next mail sets it anew",
    ),
    exempt("users", Some("failures"), "counts wrong passwords, of which a flood is counted without an event each"),
    exempt("sessions", Some("seen_at"), "noted at each use; a session still ends twelve hours after its event"),
    exempt("outbox", Some("not_before"), "when mail that waits is tried next; only later than any pause is found"),
    exempt("outbox", Some("attempts"), "of mail that waits; once it ended, it is compared"),
    exempt("outbox", Some("last_error"), "of mail that waits; once it ended, it is compared"),
    exempt("outbox", Some("message_id"), "of mail that waits; once it ended, it is compared"),
    exempt("import_runs", Some("rows_done"), "of an import under way; what it reads again is found as a duplicate"),
    exempt("log_state", Some("states_from"), "where the next start reads on; more than the stored states cover is a finding"),
    exempt(
        "index_runs",
        Some("last_seq"),
        "the newest runs may be missing: they are made a while after their entries, and what no run covers is scanned",
    ),
    exempt("checkpoints", Some("signed_at"), "the note that was signed carries no time; note, size and root are compared"),
    exempt("index_pages", Some("run"), "pages of a run that was merged away wait to be removed; nothing reads them"),
    exempt("day_refusals", Some("rows"), "may be more than the log tells on a day with a flood that is not told yet"),
    exempt("__diesel_schema_migrations", Some("run_on"), "when a migration was run; the schema itself is compared"),
];

/// Every table that is compared, with the level that does it and what it is compared with.
pub const COMPARED: &[(&str, &str, &str)] = &[
    ("account_states", "L4", "the states that the entries give"),
    ("accounts", "L4", "account.defined"),
    ("acts", "L4", "act.attempted, act.ended, access.denied, session.opened, session.refused"),
    ("alerts", "L4", "alert.opened, alert.joined, alert.closed and the hits that join"),
    ("anchors", "L4", "anchor.returned"),
    ("api_keys", "L4", "key.issued, key.revoked"),
    ("reversals", "L4", "what the entries say that they reverse"),
    ("asides", "L4", "the booking times of the entries of each account"),
    ("breaks", "L4", "the outcomes in the leaves, alert.opened, alert.joined and break.explained"),
    ("checkpoints", "L0", "their signed notes, the tree, and the one kept beside the key"),
    ("contexts", "L4", "context.defined"),
    ("data_keys", "L4", "datakey.made, keys.rewrapped"),
    ("day_figures", "L4", "the sums of the entries"),
    ("day_ranges", "L4", "the places of the entries"),
    ("day_refusals", "L4", "entries.refused"),
    ("deliveries", "L4", "delivery.defined"),
    ("entries", "L2", "the tiles, the root, and each other (L3)"),
    ("entry_parts", "L5", "the commitments in the leaves"),
    ("event_parts", "L5", "the commitments in the leaves"),
    ("erased", "L4", "the digest in parts.erased"),
    ("erasures", "L4", "parts.erased"),
    ("events", "L2", "the tiles and the root"),
    ("feed_closings", "L4", "feed.closed"),
    ("generations", "L4", "log.created, log.recovered"),
    ("hits", "L4", "the outcomes in the leaves"),
    ("holds", "L4", "hold.placed, hold.released"),
    ("import_runs", "L4", "import.started, import.finished"),
    ("index_pages", "L4", "the entries they are sorted from"),
    ("index_runs", "L4", "the entries they are sorted from"),
    ("jobs", "L4", "log.verified, night.passed, witness.*, anchor.*"),
    ("key_rotations", "L4", "log.key_rotated, and both signatures (L0)"),
    ("log_state", "L2", "the leaves, leaf 0 and program.started"),
    ("outbox", "L4", "the events that owe mail, mail.sent, mail.dead, mail.resent and mail.acknowledged"),
    ("proposals", "L4", "approval.submitted and what was decided and done about it"),
    ("record_breaks", "L4", "record.changed and break.explained"),
    ("record_changes", "L4", "record.changed"),
    ("record_fields", "L5", "the commitments in record.changed, sealed ones as far as the master key opens them"),
    ("record_snapshots", "L4", "the fields of the changes before"),
    ("records", "L4", "record.defined"),
    ("recovery_keys", "L4", "recovery.made, recovery.tested"),
    ("reports", "L4", "report.stored and the digests in it"),
    ("rule_sets", "L4", "ruleset.defined"),
    ("sealed_parts", "L5", "the commitments in the leaves, as far as the master key opens them"),
    ("searches", "L4", "search.made"),
    ("sessions", "L4", "session.opened, session.closed and what ends them"),
    ("sources", "L4", "source.defined"),
    ("tiles", "L2", "the leaves"),
    ("users", "L4", "user.added, user.reset, user.disabled"),
    ("__diesel_schema_migrations", "L6", "the migrations of this program"),
];
