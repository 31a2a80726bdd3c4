DROP INDEX record_changes_actor_at;
DROP INDEX record_changes_actor;
CREATE INDEX record_changes_actor ON record_changes (actor, seq);
