#![allow(clippy::unwrap_used)]
use super::*;
use crate::db::bulk;
use crate::trail::testing::Bench;

fn entry(seq: Seq, account: Seq, position: i64, prev: Option<Seq>, context: Seq) -> EntryRow {
    EntryRow {
        seq,
        recorded_at: seq,
        source: 1,
        source_ref: format!("R{seq}"),
        account,
        position,
        prev,
        jump: None,
        kind: 1,
        direction: 1,
        amount: 1,
        currency: "USD".into(),
        balance_before: None,
        balance_after: None,
        booked_at: seq,
        value_date: None,
        business_date: 20_000,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context,
        delivery: 3,
        channel: None,
        instrument: None,
        status: 1,
        reverses: None,
        rules: 1,
        outcomes: None,
        blind: vec![0; 16],
    }
}

fn bench() -> Bench {
    let bench = Bench::new();
    let account =
        |id: Seq, number: &str| AccountRow { id, source: 1, number: number.into(), currency: "USD".into(), created_at: 0 };
    let context = |id: Seq, session: &str, ip: &str| ContextRow {
        id,
        source: 1,
        session_id: Some(session.into()),
        ip: Some(ip.into()),
        user_agent: None,
        device_id: None,
        actor: None,
        actor_kind: None,
        fingerprint: id,
    };
    let mut conn = bench.db.connect().unwrap();
    conn.write(|conn| {
        bulk::append(conn, &[account(5, "10%0-1"), account(6, "1000-2")])?;
        bulk::append(conn, &[context(2, "S-1", "192.0.2.7"), context(3, "S-2", "192.0.2.7")])?;
        bulk::append(
            conn,
            &[entry(10, 5, 1, None, 2), entry(11, 6, 1, None, 2), entry(12, 5, 2, Some(10), 3), entry(13, 5, 3, Some(12), 3)],
        )?;
        conn.execute("UPDATE log_state SET size = 14")
    })
    .unwrap();
    bench
}

fn places(page: &Backwards) -> Vec<Seq> {
    page.entries.iter().map(|e| e.seq).collect()
}

#[test]
fn pages_go_back_to_the_first_entry_and_never_into_another_account() {
    let bench = bench();
    let first = bench.read(|c| page(c, &Newest::default(), 5, None, 2));
    assert_eq!((places(&first), first.next), (vec![13, 12], Some(10)));
    let rest = bench.read(|c| page(c, &Newest::default(), 5, first.next, 2));
    assert_eq!((places(&rest), rest.next), (vec![10], None));
    assert!(places(&bench.read(|c| page(c, &Newest::default(), 5, Some(11), 2))).is_empty());
    assert!(places(&bench.read(|c| page(c, &Newest::default(), 77, None, 2))).is_empty());
}

#[test]
fn accounts_are_found_by_how_they_begin_and_signs_mean_themselves() {
    let bench = bench();
    let like =
        |start: &str| bench.read(|c| store::accounts_beginning(c, start, 10)).into_iter().map(|a| a.id).collect::<Vec<_>>();
    assert_eq!(like("10"), [5, 6]);
    assert_eq!(like("10%"), [5]);
    assert_eq!((like("1_"), like("\u{10ffff}"), like("2")), (vec![], vec![], vec![]));
    assert_eq!(like(""), [5, 6]);
}

#[test]
fn sessions_and_addresses_lead_to_their_entries() {
    let bench = bench();
    let of_ip = bench.read(|c| store::contexts_of_ip(c, "192.0.2.7", 10));
    let ids: Vec<Seq> = of_ip.iter().map(|c| c.id).collect();
    assert_eq!(ids, [3, 2]);
    let found = bench.read(|c| store::entries_of_contexts(c, &ids, 11, 10));
    assert_eq!(found.iter().map(|e| e.seq).collect::<Vec<_>>(), [13, 12, 11]);
    assert_eq!(bench.read(|c| store::contexts_of_session(c, "S-2", 10)).len(), 1);
    let accounts = bench.read(|c| accounts(c, &found));
    assert_eq!(accounts.len(), 2);
}
