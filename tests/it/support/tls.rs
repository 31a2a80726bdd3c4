//! A certificate authority and a server certificate for one test, made by the
//! `openssl` command, valid for two days and trusted by nobody else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use super::INSTALL;

/// Instead of the machine's openssl.cnf, whose defaults differ.
const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = Counterfoil test
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
";

/// The files of an authority and of the server certificate it signed.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// A server certificate for `localhost` and 127.0.0.1.
    pub fn new() -> Self {
        Self::naming("DNS:localhost, IP:127.0.0.1")
    }

    /// A server certificate for other names, in openssl's notation
    /// (`DNS:elsewhere.example`): what a client must refuse.
    pub fn naming(names: &str) -> Self {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("no folder: {error}"));
        let certificates = Self { folder };
        let config = format!("{CONFIG}subjectAltName = {names}\n");
        fs::write(certificates.path("cnf"), config)
            .unwrap_or_else(|error| panic!("cannot write openssl's configuration: {error}"));
        certificates.make();
        certificates
    }

    /// The authority's certificate (PEM): what a client has to trust.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate (PEM).
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's private key (PEM).
    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// How a server of the test itself presents the certificate.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::from_pem_file(self.certificate());
        let key = PrivateKeyDer::from_pem_file(self.key());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain.expect("openssl wrote a certificate")], key.expect("openssl wrote a key"))
            .expect("the key belongs to the certificate");
        Arc::new(config)
    }

    fn make(&self) {
        let new_key = "-config cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        self.openssl(&format!("req -x509 {new_key} -keyout ca.key -out ca.pem -days 2 -extensions ca"));
        self.openssl(&format!("req {new_key} -keyout server.key -out csr"));
        self.openssl(
            "x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial 2 -days 2 \
             -extfile cnf -extensions server -out server.pem",
        );
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env_remove("OPENSSL_CONF")
            .output()
            .unwrap_or_else(|error| panic!("the command openssl (Debian package `openssl`) does not run ({error}): {INSTALL}"));
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }
}
