//! One conversation with an SMTP relay per mail.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use crate::config;

use super::address::{RelayUrl, Security};
use super::{Answer, MailerError};

/// How long the farewell may take: the mail is taken by then.
const FAREWELL: Duration = Duration::from_secs(2);

/// Replies to MAIL that speak of our login or TLS, not of the mail (RFC 4954, RFC 3207).
const ABOUT_ACCESS: [u16; 4] = [530, 534, 535, 538];

/// A relay and how to speak with it.
pub struct Relay {
    url: RelayUrl,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
}

impl Relay {
    /// Reads the private root certificates; speaks with nobody yet.
    pub fn new(url: RelayUrl, mail: &config::Mail) -> Result<Relay, MailerError> {
        let mut tls = TlsParameters::builder(url.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        if !mail.ca_file.is_empty() {
            let path = PathBuf::from(&mail.ca_file);
            let unusable = |error: String| MailerError::Ca(path.clone(), error);
            let pem = std::fs::read(&path).map_err(|e| unusable(e.to_string()))?;
            if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                return Err(unusable("no certificate in it".to_owned()));
            }
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| unusable(e.to_string()))?);
        }
        let tls = tls.build().map_err(|e| match mail.ca_file.as_str() {
            "" => MailerError::Url(e.to_string()),
            path => MailerError::Ca(path.into(), e.to_string()),
        })?;
        let credentials = url.login.clone().map(|(user, password)| Credentials::new(user, password));
        let timeout = Duration::from_secs(mail.timeout_seconds.max(1));
        Ok(Relay { url, tls, credentials, hello: ClientId::default(), timeout })
    }

    /// Sends one mail to one recipient.
    pub fn send(&self, from: &Address, to: &Address, raw: &[u8]) -> Answer {
        let mut conn = match self.open() {
            Ok(conn) => conn,
            Err(error) => return Answer::Unreachable(error.to_string()),
        };
        match converse(&mut conn, from, to, raw) {
            Ok(reply) => {
                // What the relay says to the farewell changes nothing any more.
                if conn.set_timeout(Some(FAREWELL)).is_ok() {
                    conn.abort();
                }
                Answer::Accepted(spoken(&reply))
            }
            Err(error) => judge(&error),
        }
    }

    /// A connection that is as secure as it has to be, and signed in.
    fn open(&self) -> Result<SmtpConnection, Error> {
        let implicit = (self.url.security == Security::Implicit).then_some(&self.tls);
        let place = (self.url.host.as_str(), self.url.port);
        let mut conn = SmtpConnection::connect(place, Some(self.timeout), &self.hello, implicit, None)?;
        let upgrade = match self.url.security {
            Security::Implicit => false,
            // Fails when it is not offered.
            Security::Required => true,
            Security::IfOffered => conn.can_starttls(),
        };
        if upgrade {
            conn.starttls(&self.tls, &self.hello)?;
        }
        if let Some(credentials) = &self.credentials {
            conn.auth(DEFAULT_MECHANISMS, credentials)?;
        }
        Ok(conn)
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Command by command, because lettre's own `send` says QUIT after a time-out and waits once more.
fn converse(conn: &mut SmtpConnection, from: &Address, to: &Address, raw: &[u8]) -> Result<Response, Error> {
    conn.command(Mail::new(Some(from.clone()), Vec::new()))?;
    conn.command(Rcpt::new(to.clone(), Vec::new()))?;
    conn.command(Data)?;
    conn.message(raw)
}

fn judge(error: &Error) -> Answer {
    let text = error.to_string();
    let code = error.status().map(u16::from);
    match code {
        Some(code) if ABOUT_ACCESS.contains(&code) => Answer::Unreachable(text),
        _ if error.is_permanent() => Answer::Permanent(text),
        _ => Answer::Temporary(text),
    }
}

fn spoken(reply: &Response) -> String {
    let lines: Vec<&str> = reply.message().collect();
    format!("{} {}", reply.code(), lines.join(" / "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A relay without TLS; answers what it was told.
    fn plain_relay() -> (u16, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 plain.example\r\n").unwrap();
            let mut lines = Vec::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                stream.write_all(b"250-plain.example\r\n250 AUTH PLAIN LOGIN\r\n").unwrap();
                lines.push(line);
            }
            lines
        });
        (port, told)
    }

    #[test]
    fn nothing_but_the_greeting_is_said_to_a_relay_without_starttls() {
        let (port, told) = plain_relay();
        let login = Some(("monitor".to_owned(), "secret".to_owned()));
        let url = RelayUrl { host: "127.0.0.1".into(), port, security: Security::Required, login };
        let relay = Relay::new(url, &config::Mail::default()).unwrap();
        let address: Address = "a@bank.example".parse().unwrap();
        let answer = relay.send(&address, &address, b"Subject: secret\r\n\r\nsecret\r\n");
        assert!(matches!(&answer, Answer::Unreachable(reason) if reason.contains("STARTTLS")), "{answer:?}");
        let told = told.join().unwrap();
        assert!(told.iter().all(|line| line.starts_with("EHLO") || line.starts_with("QUIT")), "{told:?}");
    }
}
