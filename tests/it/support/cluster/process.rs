//! The server process, and the shell that sees to its end.
//!
//! The shell stands between this process and the server and holds the reading
//! end of a pipe. When this process ends, by whatever way, the kernel closes the
//! pipe, and the shell stops the server and removes its folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::install::{Install, RunAs};

/// Runs `"$@"` until it ends or standard input closes, and removes the folder
/// `$base` when standard input has closed. Should this shell itself be killed,
/// `setpriv --pdeathsig` ends the server and the subshell removes the folder.
const WATCHDOG: &str = r#"
base=$1; shift
trap '' INT TERM HUP
exec 3<&0
"$@" </dev/null >>"$base/log" 2>&1 3<&- &
server=$!
(
    cat <&3
    # Again and again, for a server that has not yet set up its handlers; but
    # not its number once it is gone.
    while kill -0 $$ && [ ! -e "$base/ended" ] && kill -s QUIT "$server"; do sleep 0.1; done
    rm -rf -- "$base"
) >/dev/null 2>&1 &
wait "$server"
echo $? >"$base/ended"
wait
rm -rf -- "$base"
"#;

/// Makes the data folder `$2` with programs from `$1`, then becomes the server.
const SERVER: &str = r#"
bin=$1; data=$2; shift 2
"$bin/initdb" --no-sync --auth=trust --username="$ROLE" --encoding=UTF8 \
    --locale=C.UTF-8 --pgdata="$data" && exec "$bin/postgres" -D "$data" "$@"
"#;

/// Starts a server in a new folder, and gives the folder and the shell, whose
/// standard input is the pipe. The shell writes a file `ended` into the folder
/// should the server end by itself.
pub fn spawn(install: &Install, run_as: &RunAs, role: &str, port: u16) -> (PathBuf, Child) {
    let base = new_folder(run_as);
    let mut watchdog = Command::new("sh");
    clear_environment(&mut watchdog)
        .args(["-c", WATCHDOG, "sh"])
        .arg(&base)
        .args(run_as.prefix())
        .args(["sh", "-c", SERVER, "sh"])
        .arg(install.program(""))
        .arg(base.join("data"))
        .args(server_options(&base, port))
        .env("ROLE", role)
        .current_dir(&base)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own group, so that Ctrl-C does not end it before its work.
        .process_group(0);
    let child = watchdog.spawn().unwrap_or_else(|error| panic!("cannot start the shell that runs PostgreSQL: {error}"));
    (base, child)
}

/// What the server is told on its command line.
pub fn server_options(base: &Path, port: u16) -> Vec<String> {
    [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", base.display()),
        "fsync=on".to_owned(),
        "synchronous_commit=on".to_owned(),
        "full_page_writes=on".to_owned(),
        "shared_buffers=64MB".to_owned(),
        "max_connections=200".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "lc_messages=C".to_owned(),
    ]
    .into_iter()
    .flat_map(|setting| ["-c".to_owned(), setting])
    .collect()
}

/// A folder that belongs to the user the server runs as.
fn new_folder(run_as: &RunAs) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("counterfoil-pg-")
        .tempdir()
        .unwrap_or_else(|error| panic!("no temporary folder: {error}"))
        .keep();
    let owned = match run_as {
        RunAs::Myself => Ok(()),
        RunAs::Other { uid, gid } => chown(&folder, Some(*uid), Some(*gid)),
    };
    owned
        .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)))
        .unwrap_or_else(|error| panic!("cannot hand over {}: {error}", folder.display()));
    folder
}

/// Takes away libpq's variables, which would lead to another server.
pub fn clear_environment(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C.UTF-8")
}
