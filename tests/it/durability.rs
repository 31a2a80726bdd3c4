//! Loss of power: a store that forgets everything that was written and not synced.
//!
//! The server runs under `strace`. From the trace the disk is rebuilt as a power cut right after the
//! last answer would have left it: writes that no completed sync of the same file covers are gone.
//! Everything that was acknowledged must be in it. With the syncs taken out of the trace (what
//! `synchronous=OFF` amounts to) it must not: that is what shows that the check can fail.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use counterfoil::db::Db;
use counterfoil::ledger::store::entries_between;

use crate::bank::entry;
use crate::support::free_port;
use crate::support::program::Program;

const ENTRIES: i64 = 25;

#[test]
fn what_was_acknowledged_survives_a_power_cut_right_after_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bank.db");
    let database = format!("sqlite:{}", file.display());
    let issued = Program::new(dir.path()).args(["key", "issue", "--source", "core", "--database", &database]).run();
    let key = issued.succeeded().stdout.trim().to_owned();
    let before = std::fs::read(&file).unwrap();

    let trace_file = dir.path().join("trace.txt");
    let (mut strace, url) = serve_traced(&database, &trace_file);
    let http = reqwest::blocking::Client::new();
    for n in 0..ENTRIES {
        let body = entry(&format!("P{n}"), "1", "2026-03-02T10:00:00Z", n, n + 1);
        let answer = http.post(format!("{url}/api/v1/entries")).bearer_auth(&key).json(&body).send().unwrap();
        assert_eq!(answer.status(), 201);
    }
    kill(&mut strace);

    let trace = std::fs::read_to_string(&trace_file).unwrap();
    assert_eq!(surviving(&disk_after(&trace, &file, &before, true)), ENTRIES as usize, "an acknowledged entry is lost");
    assert_eq!(surviving(&disk_after(&trace, &file, &before, false)), 0, "without syncs everything is lost");
}

fn serve_traced(database: &str, trace: &Path) -> (Child, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let calls = "trace=write,pwrite64,pwritev,ftruncate,fsync,fdatasync,sendto,writev";
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-xx", "-s", "70000", "-e", calls, "-o"]).arg(trace);
    command.arg(env!("CARGO_BIN_EXE_counterfoil")).args(["serve", "--database", database]);
    command.env("COUNTERFOIL_SERVER__LISTEN", &address).env_remove("COUNTERFOIL_ROUNDS");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("strace is needed for this test: run scripts/setup");
    let url = format!("http://{address}");
    for _ in 0..300 {
        if reqwest::blocking::get(format!("{url}/healthz")).is_ok_and(|answer| answer.status() == 200) {
            return (child, url);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the traced server did not answer within 30 s; may this user trace processes?");
}

/// Kills the server that strace watches, then strace.
fn kill(strace: &mut Child) {
    let id = strace.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    for child in children.split_whitespace() {
        Command::new("kill").args(["-9", child]).status().unwrap();
    }
    strace.wait().unwrap();
}

/// The files beside `file` as a power cut after the last answer leaves them, in a folder of their own.
fn disk_after(trace: &str, file: &Path, before: &[u8], syncs_count: bool) -> tempfile::TempDir {
    let folder = file.parent().unwrap().to_str().unwrap();
    let last_answer = trace.lines().enumerate().filter(|(_, line)| is_answer(line)).last().map(|(i, _)| i);
    let mut disk = Disk::default();
    disk.files.insert(file.to_str().unwrap().to_owned(), before.to_vec());
    let mut syncing: HashMap<&str, (String, usize)> = HashMap::new();
    for line in trace.lines().take(last_answer.expect("answers were traced")) {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let path = path_of(call).filter(|path| path.starts_with(folder));
        if let (true, Some(path)) = (call.starts_with("pwrite64("), &path) {
            disk.write(path, call);
        } else if let (true, Some(path)) = (call.starts_with("fsync(") || call.starts_with("fdatasync("), &path) {
            syncing.insert(thread, (path.clone(), disk.pending.len()));
        } else if let (true, Some(path)) = (call.starts_with("ftruncate("), &path) {
            assert!(!path.ends_with("-wal") || call.contains(", 0)"), "a kind of truncation this test does not know: {call}");
        }
        let done = call.ends_with("= 0")
            && (call.starts_with("fsync(") || call.starts_with("fdatasync(") || call.contains("sync resumed"));
        if done
            && syncs_count
            && let Some((path, count)) = syncing.remove(thread)
        {
            disk.sync(&path, count);
        }
    }
    disk.store()
}

fn is_answer(line: &str) -> bool {
    // "HTTP/1.1 201"
    let answer = "\\x48\\x54\\x54\\x50\\x2f\\x31\\x2e\\x31\\x20\\x32\\x30\\x31";
    line.contains(answer)
}

#[derive(Default)]
struct Disk {
    files: HashMap<String, Vec<u8>>,
    /// Written and not synced: path, offset, bytes; in order.
    pending: Vec<(String, usize, Vec<u8>)>,
}

impl Disk {
    fn write(&mut self, path: &str, call: &str) {
        let data = call.split('"').nth(1).expect("written bytes");
        let rest: Vec<&str> = call.rsplit('"').next().unwrap().split(',').map(str::trim).collect();
        let offset = rest[2].split(')').next().unwrap().trim_end_matches(" <unfinished ...>").parse().unwrap();
        self.pending.push((path.to_owned(), offset, unhex(data)));
    }

    /// What was written to `path` among the first `count` pending writes is on the disk now.
    fn sync(&mut self, path: &str, count: usize) {
        let count = count.min(self.pending.len());
        let (covered, kept): (Vec<_>, Vec<_>) = self.pending.drain(..).enumerate().partition(|(i, w)| *i < count && w.0 == path);
        self.pending = kept.into_iter().map(|(_, write)| write).collect();
        for (_, (path, offset, bytes)) in covered {
            let file = self.files.entry(path).or_default();
            file.resize(file.len().max(offset + bytes.len()), 0);
            file[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }

    fn store(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in &self.files {
            let name = Path::new(path).file_name().unwrap();
            if !name.to_str().unwrap().ends_with("-shm") {
                std::fs::write(dir.path().join(name), bytes).unwrap();
            }
        }
        dir
    }
}

/// The path in `call(5<\x2f…>, …`.
fn path_of(call: &str) -> Option<String> {
    let hex = call.split_once('<')?.1.split_once('>')?.0;
    String::from_utf8(unhex(hex)).ok()
}

fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|pair| u8::from_str_radix(&pair[..2], 16).unwrap()).collect()
}

/// How many entries are found on that disk.
fn surviving(disk: &tempfile::TempDir) -> usize {
    let db = Db::open(&format!("sqlite:{}", disk.path().join("bank.db").display()), 1).unwrap();
    db.read(|conn| entries_between(conn, 0, i64::MAX, 10 * ENTRIES)).unwrap().len()
}
