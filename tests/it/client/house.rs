//! What these stories share.

use std::net::SocketAddr;
use std::time::Duration;

use counterfoil_client::{Amount, Balance, Client, Entry, Kind};
use serde_json::Value;

use crate::bank::Home;
use crate::bank::Kind as Database;
use crate::support::free_port;
use crate::support::program::{Program, Server};

/// A key to a program that is started and killed at one address.
pub struct Place {
    _home: Home,
    _dir: tempfile::TempDir,
    program: Program,
    address: SocketAddr,
    pub key: String,
}

impl Place {
    pub fn new(kind: Database) -> Place {
        let (home, dir) = (Home::new(kind), tempfile::tempdir().unwrap());
        let program = Program::new(dir.path()).args(["--database", &home.url()]);
        let key = program.clone().args(["key", "issue", "--source", "core"]).run().succeeded().stdout.trim().to_owned();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Place { _home: home, _dir: dir, program, address, key }
    }

    pub fn serve(&self) -> Server {
        self.program.spawn_serve_at(self.address)
    }

    /// A second one on the same database, at an address of its own.
    pub fn serve_beside(&self) -> Server {
        self.program.spawn_serve()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn client(&self) -> Client {
        Client::builder(self.url(), &self.key).timeout(Duration::from_secs(20)).build().unwrap()
    }

    /// Nothing is tampered with, and nothing is missing.
    pub fn verified(&self) {
        self.program.clone().arg("verify").run().succeeded();
    }
}

pub fn get(url: &str, key: &str, path: &str) -> Value {
    let answer = reqwest::blocking::Client::new().get(format!("{url}{path}")).bearer_auth(key).send().unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    answer.json().unwrap()
}

/// A deposit of one on the account, its `n`th from 0.
pub fn deposit(account: &str, n: u32) -> Entry {
    let booked_at = format!("2026-03-02T10:{:02}:{:02}Z", n / 60 % 60, n % 60);
    let entry = Entry::new(format!("{account}-{n}"), account, "USD", Kind::Deposit, Amount::minor(100, 2), booked_at);
    entry.balances(Balance::minor(i64::from(n) * 100, 2), Balance::minor(i64::from(n + 1) * 100, 2))
}

/// Every item of a list, page by page.
pub fn items(url: &str, key: &str, path: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(url, key, &format!("{path}?limit=1000{after}"));
        found.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}
