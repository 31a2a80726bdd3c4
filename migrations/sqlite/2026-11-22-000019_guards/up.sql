-- The rest of what is only appended can be neither changed nor removed.
CREATE TRIGGER asides_no_update BEFORE UPDATE ON asides BEGIN SELECT RAISE(ABORT, 'asides is append-only'); END;
CREATE TRIGGER asides_no_delete BEFORE DELETE ON asides BEGIN SELECT RAISE(ABORT, 'asides is append-only'); END;
CREATE TRIGGER deliveries_no_update BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'deliveries is append-only'); END;
CREATE TRIGGER deliveries_no_delete BEFORE DELETE ON deliveries BEGIN SELECT RAISE(ABORT, 'deliveries is append-only'); END;
CREATE TRIGGER feed_closings_no_update BEFORE UPDATE ON feed_closings BEGIN SELECT RAISE(ABORT, 'feed_closings is append-only'); END;
CREATE TRIGGER feed_closings_no_delete BEFORE DELETE ON feed_closings BEGIN SELECT RAISE(ABORT, 'feed_closings is append-only'); END;
CREATE TRIGGER hits_no_update BEFORE UPDATE ON hits BEGIN SELECT RAISE(ABORT, 'hits is append-only'); END;
CREATE TRIGGER hits_no_delete BEFORE DELETE ON hits BEGIN SELECT RAISE(ABORT, 'hits is append-only'); END;
CREATE TRIGGER reversals_no_update BEFORE UPDATE ON reversals BEGIN SELECT RAISE(ABORT, 'reversals is append-only'); END;
CREATE TRIGGER reversals_no_delete BEFORE DELETE ON reversals BEGIN SELECT RAISE(ABORT, 'reversals is append-only'); END;
CREATE TRIGGER rule_sets_no_update BEFORE UPDATE ON rule_sets BEGIN SELECT RAISE(ABORT, 'rule_sets is append-only'); END;
CREATE TRIGGER rule_sets_no_delete BEFORE DELETE ON rule_sets BEGIN SELECT RAISE(ABORT, 'rule_sets is append-only'); END;
CREATE TRIGGER sources_no_update BEFORE UPDATE ON sources BEGIN SELECT RAISE(ABORT, 'sources is append-only'); END;
CREATE TRIGGER sources_no_delete BEFORE DELETE ON sources BEGIN SELECT RAISE(ABORT, 'sources is append-only'); END;
-- INSERT OR REPLACE removes the row that is in its way without asking a trigger, unless triggers are recursive, as they are
-- on our own connections and not in other programs. Small tables ask before every insert, under every unique key they have;
-- on those of the hot path (entries, events, tiles, hits, asides) that would cost what a further index costs.
CREATE TRIGGER anchors_no_replace BEFORE INSERT ON anchors WHEN EXISTS (SELECT 1 FROM anchors WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
CREATE TRIGGER checkpoints_no_replace BEFORE INSERT ON checkpoints WHEN EXISTS (SELECT 1 FROM checkpoints WHERE number = NEW.number OR size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER deliveries_no_replace BEFORE INSERT ON deliveries WHEN EXISTS (SELECT 1 FROM deliveries WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'deliveries is append-only'); END;
CREATE TRIGGER erased_no_replace BEFORE INSERT ON erased WHEN EXISTS (SELECT 1 FROM erased WHERE event = NEW.event AND first_seq = NEW.first_seq)
BEGIN SELECT RAISE(ABORT, 'erased is append-only'); END;
CREATE TRIGGER erasures_no_replace BEFORE INSERT ON erasures WHEN EXISTS (SELECT 1 FROM erasures WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END;
CREATE TRIGGER feed_closings_no_replace BEFORE INSERT ON feed_closings WHEN EXISTS (SELECT 1 FROM feed_closings WHERE seq = NEW.seq AND currency = NEW.currency)
BEGIN SELECT RAISE(ABORT, 'feed_closings is append-only'); END;
CREATE TRIGGER generations_no_replace BEFORE INSERT ON generations WHEN EXISTS (SELECT 1 FROM generations WHERE first_seq = NEW.first_seq)
BEGIN SELECT RAISE(ABORT, 'generations is append-only'); END;
CREATE TRIGGER key_rotations_no_replace BEFORE INSERT ON key_rotations WHEN EXISTS (SELECT 1 FROM key_rotations WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'key_rotations is append-only'); END;
CREATE TRIGGER proposals_no_replace BEFORE INSERT ON proposals WHEN EXISTS (SELECT 1 FROM proposals WHERE id = NEW.id OR (kind = NEW.kind AND about = NEW.about AND state <= 2 AND NEW.state <= 2))
BEGIN SELECT RAISE(ABORT, 'proposals is append-only, and an open one for the same thing is unique'); END;
CREATE TRIGGER reports_no_replace BEFORE INSERT ON reports WHEN EXISTS (SELECT 1 FROM reports WHERE business_date = NEW.business_date AND version = NEW.version)
BEGIN SELECT RAISE(ABORT, 'reports is append-only'); END;
CREATE TRIGGER reversals_no_replace BEFORE INSERT ON reversals WHEN EXISTS (SELECT 1 FROM reversals WHERE seq = NEW.seq OR (source = NEW.source AND reference = NEW.reference))
BEGIN SELECT RAISE(ABORT, 'reversals is append-only'); END;
CREATE TRIGGER rule_sets_no_replace BEFORE INSERT ON rule_sets WHEN EXISTS (SELECT 1 FROM rule_sets WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'rule_sets is append-only'); END;
CREATE TRIGGER sources_no_replace BEFORE INSERT ON sources WHEN EXISTS (SELECT 1 FROM sources WHERE id = NEW.id OR name = NEW.name)
BEGIN SELECT RAISE(ABORT, 'sources is append-only'); END;
