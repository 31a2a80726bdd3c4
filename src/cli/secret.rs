//! Passwords from standard input. A terminal does not show what is typed.

use std::io::{BufRead, IsTerminal, Stdin};

use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Bytes of a password's line that are read at most.
const LINE_MAX: u64 = 64 * 1024;

/// Keeps a terminal from showing what is typed, as long as this lives.
struct Unseen<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    /// `None` where standard input is no terminal, which shows nothing anyway.
    fn of(stdin: &'a Stdin) -> anyhow::Result<Option<Unseen<'a>>> {
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(stdin).context("the terminal cannot be asked for its settings")?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown, so that what follows begins on its own.
        unseen.local_modes.insert(LocalModes::ECHONL);
        let hide = tcsetattr(stdin, OptionalActions::Flush, &unseen);
        hide.context("the terminal cannot be kept from showing the password; give it by a pipe instead")?;
        Ok(Some(Unseen { stdin, before }))
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.stdin, OptionalActions::Now, &self.before);
    }
}

/// The next line of standard input as a password of `whose`, asked for where somebody sits at a terminal.
pub(super) fn password(whose: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let unseen = Unseen::of(&stdin)?;
    if unseen.is_some() {
        eprint!("Password of {whose} (it is not shown): ");
    }
    let mut line = String::new();
    let read = std::io::Read::take(stdin.lock(), LINE_MAX).read_line(&mut line);
    let bytes = read.context("the password could not be read from standard input")?;
    anyhow::ensure!(bytes > 0, "the password of {whose} is missing on standard input");
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}
