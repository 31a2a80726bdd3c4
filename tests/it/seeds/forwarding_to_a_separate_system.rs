//! A real syslog server: rsyslogd over TLS. What it has read is the log, each record with its proof, and it has each once
//! after it was away.

use std::time::{Duration, Instant};

use counterfoil::trail::store as trail;
use serde_json::{Value, json};

use crate::bank::{Home, on_both};
use crate::support::program::{Program, Server};
use crate::support::rsyslog::Rsyslog;

/// Waits until this many records, at least, are written.
fn written(rsyslog: &Rsyslog, server: &Server, least: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let records = rsyslog.records();
        if records.len() >= least {
            return records;
        }
        assert!(began.elapsed() < Duration::from_secs(90), "{} of {least} records\n{}", records.len(), server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Everything in the log that a receiver of events gets: place, kind, hash of the leaf.
fn log(home: &Home) -> Vec<(String, String, String)> {
    let db = counterfoil::db::Db::open(&home.url(), 1).unwrap();
    let (rows, origin) = db
        .read(|conn| {
            let origin = trail::state(conn)?.unwrap().origin;
            Ok::<_, counterfoil::db::DbError>((trail::events_between(conn, 0, i64::MAX, 100_000)?, origin))
        })
        .unwrap();
    let told = rows.iter().filter(|row| !["account.defined", "context.defined", "delivery.defined"].contains(&row.kind.as_str()));
    told.map(|row| (row.seq.to_string(), row.kind.clone(), hex::encode(row.leaf_hash(&origin).unwrap()))).collect()
}

#[test]
fn forwarding_to_a_separate_system() {
    on_both(|kind| {
        let (home, dir, mut rsyslog) = (Home::new(kind), tempfile::tempdir().unwrap(), Rsyslog::new());
        let settings = "url = \"syslog+tls://ADDRESS\"\nca_file = \"CA\"\nformat = \"ocsf\"\nfrom = \"start\"\n";
        let settings = settings.replace("ADDRESS", &rsyslog.address()).replace("CA", rsyslog.ca().to_str().unwrap());
        std::fs::write(dir.path().join("c.toml"), format!("[[forward]]\nname = \"siem\"\n{settings}")).unwrap();
        let program = Program::new(dir.path()).args(["--config", "c.toml", "--database", &home.url()]);
        let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        rsyslog.start();
        let server = program.spawn_serve();
        let send = |numbers: std::ops::Range<u32>| {
            for n in numbers {
                // With what ends lines, fields and parameters elsewhere.
                let row = json!({ "source_ref": format!("R{n}]\"\\=|ü"), "type": "customer", "id": "C-1", "action": "update",
                    "after": { "limit": n } });
                let request = reqwest::blocking::Client::new().post(format!("{}/api/v1/changes", server.url())).bearer_auth(&key);
                assert_eq!(request.json(&row).send().unwrap().status().as_u16(), 201);
            }
        };
        send(0..10);
        written(&rsyslog, &server, log(&home).len());

        // It is restarted; what comes meanwhile waits in the log.
        rsyslog.stop();
        send(10..30);
        std::thread::sleep(Duration::from_secs(3));
        rsyslog.start();
        let expected = log(&home);
        let records = written(&rsyslog, &server, expected.len());
        let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<(String, String, String)> =
            records.iter().map(|record| (text(record, "seq"), text(record, "kind"), text(record, "hash"))).collect();
        // More may have come since the log was read.
        assert_eq!(found[..expected.len()], expected, "{kind:?}: each once, in its order");
        for record in &records {
            assert_eq!((&record["facility"], &record["program"]), (&json!("audit"), &json!("counterfoil")));
            let size: i64 = text(record, "checkpoint").parse().unwrap();
            assert!(size > text(record, "seq").parse().unwrap() && !text(record, "log").is_empty());
            // A byte order mark, which RFC 5424 demands, and an OCSF event.
            let event: Value = serde_json::from_str(text(record, "message").trim_start_matches(['\u{feff}', ' '])).unwrap();
            assert_eq!(
                (&event["metadata"]["version"], event["metadata"]["sequence"].to_string()),
                (&json!("1.3.0"), text(record, "seq"))
            );
        }
        drop(server);
    });
}
