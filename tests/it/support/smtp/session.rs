//! One SMTP session, from the greeting to the end of the connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::{ServerConnection, StreamOwned};

use super::{Behaviour, Received, Security, Shared, Stage};

/// A line longer than this is not SMTP.
const LINE_BYTES_MAX: usize = 1 << 20;
/// A stall ends at the latest then; tests set their own limits far below.
const STALL_MAX: Duration = Duration::from_secs(600);

/// Speaks with one client until it leaves or the behaviour says to drop it.
pub fn serve(stream: TcpStream, shared: &Arc<Shared>) {
    let raw = stream.try_clone();
    let mut session =
        Session { shared: Arc::clone(shared), wire: Wire::Plain(stream), buffer: Vec::new(), envelope: None, user: None };
    // A client that hangs up is no failure of the server.
    drop(session.run());
    if let Ok(raw) = raw {
        drop(raw.shutdown(Shutdown::Both));
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

struct Envelope {
    from: String,
    to: Vec<String>,
}

struct Session {
    shared: Arc<Shared>,
    wire: Wire,
    /// Bytes that were read and not yet used.
    buffer: Vec<u8>,
    envelope: Option<Envelope>,
    user: Option<String>,
}

/// Whether the session goes on after a command.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Close,
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        if self.shared.security == Security::Implicit {
            self.begin_tls()?;
        }
        self.stall(Stage::Greeting);
        self.say("220 sink.example ESMTP")?;
        while let Some(line) = self.line()? {
            let line = String::from_utf8_lossy(&line).into_owned();
            if self.command(line.trim_end())? == Next::Close {
                break;
            }
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.hello(true)?,
            "HELO" => self.hello(false)?,
            "STARTTLS" => self.starttls()?,
            "AUTH" => self.auth(rest)?,
            "MAIL" => self.mail(rest)?,
            "RCPT" => self.recipient(rest)?,
            "DATA" => return self.data(),
            "RSET" => {
                self.envelope = None;
                self.say("250 reset")?;
            }
            "NOOP" => self.say("250 still here")?,
            "QUIT" => {
                self.say("221 bye")?;
                return Ok(Next::Close);
            }
            _ => self.say("500 unknown command")?,
        }
        Ok(Next::Continue)
    }

    fn hello(&mut self, extended: bool) -> io::Result<()> {
        self.stall(Stage::Hello);
        self.envelope = None;
        let mut lines = vec!["sink.example"];
        if extended {
            lines.extend(["8BITMIME", "SMTPUTF8"]);
            if self.needs_tls() {
                lines.push("STARTTLS");
            } else if self.shared.login.is_some() {
                lines.push("AUTH PLAIN LOGIN");
            }
        }
        let last = lines.len() - 1;
        let answer: Vec<String> =
            lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' })).collect();
        self.say(&answer.join("\r\n"))
    }

    fn starttls(&mut self) -> io::Result<()> {
        if !self.needs_tls() {
            return self.say("502 no TLS here");
        }
        self.say("220 go ahead")?;
        // What came in the clear behind the command must not count as secured.
        self.buffer.clear();
        self.envelope = None;
        self.begin_tls()
    }

    fn begin_tls(&mut self) -> io::Result<()> {
        let (Some(config), Wire::Plain(stream)) = (self.shared.tls.clone(), &self.wire) else {
            return Err(io::Error::other("TLS without a certificate, or twice"));
        };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let stream = StreamOwned::new(connection, stream.try_clone()?);
        self.wire = Wire::Tls(Box::new(stream));
        Ok(())
    }

    fn needs_tls(&self) -> bool {
        self.shared.security == Security::StartTls && matches!(self.wire, Wire::Plain(_))
    }

    fn auth(&mut self, rest: &str) -> io::Result<()> {
        let Some(login) = self.shared.login.clone().filter(|_| !self.needs_tls()) else {
            return self.say("502 no login here");
        };
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = self.asked(initial, "")?;
                // An identity to act as, the user, the password.
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => (self.asked(initial, &STANDARD.encode("Username:"))?, self.asked("", &STANDARD.encode("Password:"))?),
            _ => return self.say("504 only PLAIN and LOGIN"),
        };
        if given != login {
            return self.say("535 5.7.8 wrong user or password");
        }
        self.user = Some(given.0);
        self.say("235 2.7.0 welcome")
    }

    /// What the client gave with the command, or else gives when asked.
    fn asked(&mut self, given: &str, prompt: &str) -> io::Result<String> {
        let mut text = given.as_bytes().to_vec();
        if given.is_empty() {
            self.say(&format!("334 {prompt}"))?;
            text = self.line()?.unwrap_or_default();
        }
        let bytes = STANDARD.decode(text.trim_ascii()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn mail(&mut self, rest: &str) -> io::Result<()> {
        self.stall(Stage::Mail);
        if self.needs_tls() {
            return self.say("530 5.7.0 STARTTLS first");
        }
        if self.shared.login.is_some() && self.user.is_none() {
            return self.say("530 5.7.0 AUTH first");
        }
        let Some(from) = address(rest, "FROM:") else {
            return self.say("501 MAIL FROM:<address>");
        };
        self.envelope = Some(Envelope { from, to: Vec::new() });
        self.say("250 sender ok")
    }

    fn recipient(&mut self, rest: &str) -> io::Result<()> {
        self.stall(Stage::Recipient);
        if let Behaviour::Reject(code) = self.behaviour() {
            return self.say(&format!("{code} recipient refused"));
        }
        let Some(to) = address(rest, "TO:") else {
            return self.say("501 RCPT TO:<address>");
        };
        match &mut self.envelope {
            Some(envelope) => envelope.to.push(to),
            None => return self.say("503 MAIL first"),
        }
        self.say("250 recipient ok")
    }

    fn data(&mut self) -> io::Result<Next> {
        self.stall(Stage::Data);
        let Some(envelope) = self.envelope.take().filter(|envelope| !envelope.to.is_empty()) else {
            self.say("503 RCPT first")?;
            return Ok(Next::Continue);
        };
        self.say("354 end with a dot")?;
        let Some(raw) = self.body()? else {
            return Ok(Next::Close);
        };
        self.stall(Stage::AfterData);
        let behaviour = self.behaviour();
        if let Behaviour::TempFail(code) = behaviour {
            self.say(&format!("{code} not now"))?;
            return Ok(Next::Continue);
        }
        let received = Received {
            from: envelope.from,
            to: envelope.to,
            raw,
            tls: matches!(self.wire, Wire::Tls(_)),
            user: self.user.clone(),
        };
        self.shared.update(|state| state.received.push(received));
        if behaviour == Behaviour::DropAfterData {
            return Ok(Next::Close);
        }
        self.say("250 kept")?;
        Ok(Next::Continue)
    }

    /// The mail up to its dot, or nothing when the connection is to be dropped.
    fn body(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut body = Vec::new();
        while let Some(line) = self.line()? {
            if line == b".\r\n" {
                return Ok(Some(body));
            }
            body.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            if self.behaviour() == Behaviour::DropMidData {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn behaviour(&self) -> Behaviour {
        self.shared.lock().behaviour
    }

    fn stall(&self, stage: Stage) {
        self.shared.wait_while(STALL_MAX, |state| state.behaviour == Behaviour::Stall(stage) && !state.stopped);
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{text}\r\n");
        match &mut self.wire {
            Wire::Plain(stream) => stream.write_all(text.as_bytes()),
            Wire::Tls(stream) => {
                stream.write_all(text.as_bytes())?;
                stream.flush()
            }
        }
    }

    /// The next line with its ending, or nothing at the end of the connection.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[searched..];
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.drain(..=searched + at).collect()));
            }
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX {
                return Err(io::Error::other("a line without end"));
            }
            let mut chunk = [0; 16 * 1024];
            let count = match &mut self.wire {
                Wire::Plain(stream) => stream.read(&mut chunk)?,
                Wire::Tls(stream) => stream.read(&mut chunk)?,
            };
            if count == 0 {
                return Ok(None);
            }
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }
}

/// `FROM:<a@b> SIZE=1` gives `a@b`.
fn address(rest: &str, prefix: &str) -> Option<String> {
    let (word, rest) = rest.split_at_checked(prefix.len())?;
    let inner = rest.trim_start().strip_prefix('<')?;
    let (address, _) = inner.split_once('>')?;
    word.eq_ignore_ascii_case(prefix).then(|| address.to_owned())
}
