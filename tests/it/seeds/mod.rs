//! The programs that Counterfoil grew from, each with a story of its name: `docs/seeds.md` says what does
//! their work here, and the test below keeps that page true.

mod asynchronous_queue;
mod column_level_trail;
mod denied_attempts;
mod encrypted_health_trail;
mod event_sourcing;
mod forwarding_to_a_separate_system;
mod history_chart;
mod history_query;
mod integrity_check;
mod orm_events;
mod price_tracker;
mod retention;
mod roll_back;
mod simple_audit_log;
mod table;
mod time_travel;
mod triggers;
mod wrapper;
