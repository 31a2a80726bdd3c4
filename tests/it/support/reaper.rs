//! Ends the processes that a test run started, also when the run itself is
//! killed and no destructor runs.
//!
//! A shell holds the reading end of a pipe whose writing end only this process
//! has. However this process ends, the kernel closes the pipe; the shell then
//! kills what is still on its list. `PR_SET_PDEATHSIG` would not do: it fires
//! when the *thread* that started the child ends, and test threads end early.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// Lines are `+ TARGET`, `- TARGET`, where a negative target is a process
/// group, and `d FOLDER` for a folder to remove in the end.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
targets=' '
while read -r verb what; do
    case $verb in
        +) targets="$targets$what " ;;
        -) targets="${targets%% $what *} ${targets#* $what }" ;;
        d) set -- "$@" "$what" ;;
    esac
done
for target in $targets; do kill -s KILL -- "$target" 2>/dev/null; done
[ $# -eq 0 ] && exit
# What was killed may have been writing: a second pass takes what came between.
rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }
"#;

/// Holds a new process back until it is on the list: were this process killed
/// between the two, its end of the pipe would close and `read` fail.
const GATE: &str = r#"read -r go && exec "$@""#;

/// A command for [`launch`], to which arguments and more can be added.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", GATE, "sh"]).arg(program);
    command
}

/// Starts such a command, with standard input piped.
pub fn launch(command: &mut Command, extent: Extent) -> io::Result<(Child, Watch)> {
    command.stdin(Stdio::piped());
    if extent == Extent::Group {
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let target = match extent {
        Extent::Process => child.id().to_string(),
        Extent::Group => format!("-{}", child.id()),
    };
    tell(&format!("+ {target}\n"));
    if let Some(pipe) = &mut child.stdin {
        pipe.write_all(b"go\n")?;
    }
    Ok((child, Watch { target }))
}

/// What ends together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One process.
    Process,
    /// A process group of its own, with all processes that come to be in it.
    Group,
}

/// A process, or a process group, that ends with the test run at the latest.
pub struct Watch {
    target: String,
}

impl Watch {
    /// Sends a signal, given by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        // The standard library only knows SIGKILL, and only for one process.
        let status =
            Command::new("sh").args(["-c", r#"kill -s "$1" -- "$2""#, "sh", name, &self.target]).stderr(Stdio::null()).status();
        // A target that is gone already is what the signal was for.
        drop(status);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A process was waited for by its owner and its id may be someone
        // else's by now; a group's id stays taken while it has members.
        if self.target.starts_with('-') {
            self.signal("KILL");
        }
        tell(&format!("- {}\n", self.target));
    }
}

/// Has a folder removed when the test run has ended, however it ends.
pub fn remove_in_the_end(folder: &Path) {
    tell(&format!("d {}\n", folder.display()));
}

fn tell(line: &str) {
    static SHELL: OnceLock<Mutex<Child>> = OnceLock::new();
    let shell = SHELL.get_or_init(|| Mutex::new(start_shell()));
    let mut shell = shell.lock().unwrap_or_else(|poison| poison.into_inner());
    let pipe = shell.stdin.as_mut().expect("stdin is piped");
    pipe.write_all(line.as_bytes()).unwrap_or_else(|error| panic!("the reaper shell is gone: {error}"));
}

fn start_shell() -> Child {
    Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Its own group, so that Ctrl-C does not end it before its work.
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start the reaper shell: {error}"))
}
