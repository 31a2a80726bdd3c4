-- An actor is known by its source and its name, however its letters are written: by place, and by when it changed.
DROP INDEX record_changes_actor;
CREATE INDEX record_changes_actor ON record_changes (source, lower(trim(actor) COLLATE "C"), seq);
CREATE INDEX record_changes_actor_at ON record_changes (source, lower(trim(actor) COLLATE "C"), changed_at, seq);
