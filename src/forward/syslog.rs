//! RFC 5424 messages over TLS (RFC 5425), framed by their length.
//!
//! Syslog confirms nothing. So each delivery has a connection of its own, which we close and the
//! receiver must close too: it has taken every byte then. What it does with them, syslog does not say.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::record::{Record, Severity};

/// How long the receiver may take for a step.
const PATIENCE: Duration = Duration::from_secs(10);
/// The port of syslog over TLS.
const PORT: u16 = 6514;
/// Facility 13: log audit.
const FACILITY: u8 = 13;
/// Longest `MSGID`.
const ID_MAX: usize = 32;

pub(super) struct Syslog {
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl Syslog {
    pub fn new(address: &str, ca_file: &str) -> Result<Syslog, String> {
        let (host, port) = match address.trim_end_matches('/').rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| format!("`{port}` is no port"))?),
            None => (address, PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| format!("`{host}` is no name of a host"))?;
        let mut roots = RootCertStore::empty();
        let unread = |e: &dyn std::fmt::Display| format!("ca_file {ca_file}: {e}");
        for certificate in CertificateDer::pem_file_iter(Path::new(ca_file)).map_err(|e| unread(&e))? {
            roots.add(certificate.map_err(|e| unread(&e))?).map_err(|e| unread(&e))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let tls = builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
        Ok(Syslog { host, port, name, tls: Arc::new(tls) })
    }

    /// Sends the records, and waits until the receiver has read them all.
    pub fn send(&self, records: &[Record], body: impl Fn(&Record) -> String) -> Result<(), String> {
        let text = |e: std::io::Error| e.to_string();
        let mut bytes = Vec::new();
        for record in records {
            let message = message(record, &body(record));
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        let session = ClientConnection::new(self.tls.clone(), self.name.clone()).map_err(|e| e.to_string())?;
        let mut stream = StreamOwned::new(session, self.connect().map_err(text)?);
        stream.write_all(&bytes).map_err(text)?;
        stream.conn.send_close_notify();
        stream.flush().map_err(text)?;
        stream.sock.shutdown(std::net::Shutdown::Write).map_err(text)?;
        read_to_end(&mut stream)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Waits for the receiver's end of the connection.
fn read_to_end(stream: &mut StreamOwned<ClientConnection, TcpStream>) -> Result<(), String> {
    let mut rest = [0; 256];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // Closed without TLS' own farewell, as many do: it had read ours.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err("it did not say within ten seconds that it has read everything".into());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The record as an RFC 5424 message; 32473 is the enterprise number of RFC 5612.
pub(super) fn message(record: &Record, body: &str) -> String {
    let severity = match record.severity() {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 2,
    };
    let id: String = record.kind.chars().filter(char::is_ascii_graphic).take(ID_MAX).collect();
    format!(
        "<{}>1 {} - counterfoil - {id} [leaf@32473 log=\"{}\" seq=\"{}\" hash=\"{}\" checkpoint=\"{}\"] \u{feff}{body}",
        FACILITY * 8 + severity,
        record.recorded_at,
        parameter(&record.log),
        record.seq,
        hex::encode(record.leaf),
        record.checkpoint,
    )
}

/// In a parameter three characters are escaped.
fn parameter(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]")
}
