//! Who runs a command, as the system knows them: for the private part of what they do.

use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

/// The user of this process: their number, their name where the system has one, and the machine's name.
pub(super) fn of_this_process() -> Value {
    // The folder of a process belongs to whoever it runs as; no variable of theirs can change that.
    let uid = std::fs::metadata("/proc/self").map(|folder| folder.uid()).ok();
    let name = uid.and_then(|uid| name_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|text| text.trim().to_owned());
    json!({ "os_user": name, "uid": uid, "host": host })
}

/// The name of the user of this process, or their number.
pub(super) fn name() -> String {
    let who = of_this_process();
    who["os_user"].as_str().map_or_else(|| format!("uid {}", who["uid"]), str::to_owned)
}

/// The name of a user's line in `/etc/passwd`.
fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(uid.to_string().as_str()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_runs_this_is_named() {
        assert_eq!(name_in("root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:", 1000).as_deref(), Some("ada"));
        assert_eq!(name_in("root:x:0:0::", 7), None);
        assert!(of_this_process()["uid"].is_u64());
    }
}
