//! `mail.url` taken apart.

use std::net::IpAddr;
use std::path::PathBuf;

use super::MailerError;

/// Where mail goes.
#[derive(Clone, PartialEq, Eq)]
pub enum MailUrl {
    /// Nowhere: what is owed waits.
    Off,
    /// Into files of this folder.
    Folder(PathBuf),
    /// To a relay.
    Relay(RelayUrl),
}

/// A relay's address.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUrl {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// As given, or the scheme's own.
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// User and password.
    pub login: Option<(String, String)>,
}

/// How a connection to a relay is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte.
    Implicit,
    /// STARTTLS, or nothing is sent.
    Required,
    /// STARTTLS if the relay offers it: only on this machine itself.
    IfOffered,
}

impl MailUrl {
    /// Reads `smtp://[user:password@]host[:port]`, `smtps://…`, `file:FOLDER` or nothing. No error
    /// repeats the text: it may hold a password.
    pub fn parse(text: &str) -> Result<MailUrl, MailerError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(MailUrl::Off);
        }
        if let Some(folder) = text.strip_prefix("file:") {
            return match folder.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(folder) {
                "" => Err(refused("`file:` needs a folder, for example file:outgoing")),
                folder => Ok(MailUrl::Folder(PathBuf::from(folder))),
            };
        }
        let relay = match text.split_once("://") {
            Some(("smtp", rest)) => relay(rest, false)?,
            Some(("smtps", rest)) => relay(rest, true)?,
            _ => return Err(refused("write smtp://host, smtps://host or file:FOLDER")),
        };
        Ok(MailUrl::Relay(relay))
    }
}

fn refused(text: &str) -> MailerError {
    MailerError::Url(text.to_owned())
}

fn relay(rest: &str, implicit: bool) -> Result<RelayUrl, MailerError> {
    // The last @, so that a password may hold one.
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login_of(login)?), place),
        None => (None, rest),
    };
    let (host, port) = host_and_port(place.strip_suffix('/').unwrap_or(place))?;
    let local = is_loopback(&host);
    let (security, default) = match (implicit, local) {
        (true, _) => (Security::Implicit, 465),
        (false, true) => (Security::IfOffered, 25),
        (false, false) => (Security::Required, 587),
    };
    Ok(RelayUrl { host, port: port.unwrap_or(default), security, login })
}

fn login_of(text: &str) -> Result<(String, String), MailerError> {
    let Some((user, password)) = text.split_once(':') else {
        return Err(refused("before the @ belongs user:password"));
    };
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(refused("user and password must not be empty"));
    }
    Ok((user, password))
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), MailerError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']').ok_or_else(|| refused("the [ of an IPv6 address is not closed"))?;
            let address: Result<std::net::Ipv6Addr, _> = host.parse();
            address.map_err(|_| refused("between [ and ] belongs an IPv6 address"))?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').unwrap_or("")) })
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(plain) {
        return Err(refused("the host is missing or is not a name or an IP address (nothing may follow the port)"));
    }
    let port = match port {
        None => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(port),
            _ => return Err(refused("the port must be a number from 1 to 65535")),
        },
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Undoes `%40`.
fn decoded(text: &str) -> Result<String, MailerError> {
    let wrong = || refused("after a % in user or password belong two hexadecimal digits");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, tail) = tail.split_at_checked(2).ok_or_else(wrong)?;
        let mut byte = [0];
        hex::decode_to_slice(pair, &mut byte).map_err(|_| wrong())?;
        bytes.extend(byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn relay_of(text: &str) -> RelayUrl {
        match MailUrl::parse(text) {
            Ok(MailUrl::Relay(relay)) => relay,
            _ => panic!("{text} should be a relay"),
        }
    }

    #[test]
    fn schemes_hosts_and_ports() {
        use Security::{IfOffered, Implicit, Required};
        for (text, host, port, security) in [
            ("smtp://relay.bank.example", "relay.bank.example", 587, Required),
            ("smtp://relay.bank.example:2525", "relay.bank.example", 2525, Required),
            ("smtp://Relay.bank.example/", "relay.bank.example", 587, Required),
            ("smtps://relay.bank.example", "relay.bank.example", 465, Implicit),
            ("smtps://relay.bank.example:4650", "relay.bank.example", 4650, Implicit),
            ("smtp://localhost", "localhost", 25, IfOffered),
            ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, IfOffered),
            ("smtp://127.8.0.1", "127.8.0.1", 25, IfOffered),
            ("smtp://[::1]", "::1", 25, IfOffered),
            ("smtp://[::1]:2525", "::1", 2525, IfOffered),
            ("smtp://[2001:db8::5]:2525", "2001:db8::5", 2525, Required),
            ("smtps://localhost", "localhost", 465, Implicit),
            ("smtp://localhost.bank.example", "localhost.bank.example", 587, Required),
            ("smtp://10.0.0.1", "10.0.0.1", 587, Required),
        ] {
            let relay = relay_of(text);
            assert_eq!((relay.host.as_str(), relay.port, relay.security), (host, port, security), "{text}");
            assert!(relay.login.is_none(), "{text}");
        }
    }

    #[test]
    fn logins_are_decoded() {
        let login = |text: &str| relay_of(text).login.unwrap();
        assert_eq!(login("smtp://monitor:secret@relay.example"), ("monitor".into(), "secret".into()));
        assert_eq!(login("smtps://m%40bank.example:p%3Aa%25@relay.example"), ("m@bank.example".into(), "p:a%".into()));
        assert_eq!(login("smtp://monitor:p@ss:word@relay.example:26"), ("monitor".into(), "p@ss:word".into()));
    }

    #[test]
    fn folders_and_nothing() {
        assert!(MailUrl::parse("  ") == Ok(MailUrl::Off));
        for (text, folder) in
            [("file:outgoing", "outgoing"), ("file:/var/mail/out", "/var/mail/out"), ("file:///srv/out", "/srv/out")]
        {
            assert!(MailUrl::parse(text) == Ok(MailUrl::Folder(PathBuf::from(folder))), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for text in [
            "relay.example",
            "http://relay.example",
            "file:",
            "smtp://",
            "smtp://:25",
            "smtp://relay.example:0",
            "smtp://relay.example:70000",
            "smtp://relay.example:+25",
            "smtp://relay.example/path",
            "smtp://relay.example?tls=none",
            "smtp://hidden@relay.example",
            "smtp://user:@relay.example",
            "smtp://user:hidden%4@relay.example",
            "smtp://user:hidden%zz@relay.example",
            "smtp://user:hidden@relay example",
            "smtp://[::1",
            "smtp://[relay.example]",
            "smtp://[::1]25",
        ] {
            match MailUrl::parse(text) {
                Ok(_) => panic!("{text} should be refused"),
                Err(error) => assert!(!error.to_string().contains("hidden"), "{text}: {error}"),
            }
        }
    }
}
