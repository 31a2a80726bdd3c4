//! pgbench's own tables under load, and either side killed: every change of balance is in the log once.

use std::time::{Duration, Instant};

use crate::bank::{Home, Kind};
use crate::support::cluster::Cluster;
use crate::support::program::Program;
use crate::support::rounds;

const MAPPING: &str = "account = \"aid\"\nbalance = \"abalance\"\ncurrency = \"EUR\"\nminor_units = true\n";

/// What every account came to, by its entries: the newest balance of each, and how many entries there are; fails
/// if an entry does not go on from the one before.
fn balances(csv: &str) -> (std::collections::BTreeMap<i64, i64>, usize) {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (account, before, after) = (at("account"), at("balance_before"), at("balance_after"));
    let minor = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let (mut newest, mut count) = (std::collections::BTreeMap::new(), 0);
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let known = newest.insert(cells[account].parse().unwrap(), minor(cells[after]));
        assert_eq!(known.unwrap_or(0), minor(cells[before]), "an entry is missing, twice there, or out of order: {line}");
        count += 1;
    }
    (newest, count)
}

fn story(kind: Kind, rounds: u32, seconds: u32) {
    let cluster = Cluster::start();
    let core = cluster.empty_database();
    assert!(cluster.pgbench(core.name(), &["-i", "-q", "-s", "1"]).wait().unwrap().success());
    let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("m.toml"), MAPPING).unwrap();
    let program = Program::new(dir.path()).args(["--config", "c.toml", "--database", &home.url()]);
    std::fs::write(dir.path().join("c.toml"), "").unwrap();
    let add =
        ["capture", "add", core.url(), "pgbench_accounts", "--source", "core", "--drain-as", "postgres", "--entries", "m.toml"];
    let added = program.clone().args(add).run().succeeded();
    std::fs::write(dir.path().join("c.toml"), added.stdout).unwrap();
    for round in 0..rounds {
        let mut server = program.spawn_serve();
        let under_load = |seconds: u32| cluster.pgbench(core.name(), &["-n", "-c", "4", "-T", &seconds.to_string()]);
        let mut load = under_load(seconds);
        std::thread::sleep(Duration::from_millis(u64::from(seconds) * 500));
        if round % 2 == 0 {
            server.kill9();
        } else {
            // The load ends with it: the other half comes after.
            cluster.restart_immediately(Duration::from_millis(200));
            drop(load.wait());
            load = under_load(seconds.div_ceil(2));
        }
        drop(load.wait());
    }
    // Then without a kill until nothing is left.
    let server = program.spawn_serve();
    let began = Instant::now();
    while core.sql("SELECT count(*) FROM counterfoil_capture.queue").unwrap() != "0" {
        assert!(began.elapsed() < Duration::from_secs(600), "the queue is not drained\n{}", server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(server);
    let exported = program.clone().args(["export", "entries", "--format", "csv"]).run().succeeded().stdout;
    let (ours, count) = balances(&exported);
    let theirs = core.sql("SELECT aid, abalance FROM pgbench_accounts WHERE abalance <> 0 ORDER BY aid").unwrap();
    let theirs = theirs.lines().filter_map(|line| line.split_once('|')).map(|(id, b)| (id.parse().unwrap(), b.parse().unwrap()));
    assert_eq!(ours.into_iter().filter(|(_, balance)| *balance != 0).collect::<Vec<_>>(), theirs.collect::<Vec<(i64, i64)>>());
    // pgbench writes a row of history for each change of a balance; a change by nothing is no entry.
    let history: usize = core.sql("SELECT count(*) FROM pgbench_history WHERE delta <> 0").unwrap().parse().unwrap();
    assert_eq!(count, history, "each change is in the log once");
    assert!(count > 100, "the load was a load: {count}");
    assert_eq!(core.sql("SELECT count(*) FROM counterfoil_capture.rejected").unwrap(), "0");
    program.clone().args(["verify"]).run().succeeded();
    assert_eq!(program.args(["export", "breaks"]).run().succeeded().stdout.lines().count(), 1, "continuity holds");
}

#[test]
fn after_a_kill_of_either_side_under_load_every_change_of_balance_is_there_once() {
    let many = rounds(1);
    if many == 1 {
        // A minute: in one half the program is killed, in the other the bank's server.
        story(Kind::Sqlite, 2, 30);
        story(Kind::Postgres, 1, 2);
    } else {
        // Ten minutes and ten kills of either side, where twenty rounds or more are asked for.
        story(Kind::Sqlite, many.min(20), 30);
        story(Kind::Postgres, many.min(4), 30);
    }
}
