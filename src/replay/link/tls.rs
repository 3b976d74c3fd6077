//! TLS to the target. The only file that knows the TLS library's configuration.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::route::Speaks;
use super::stream::Socket;
use crate::replay::profile::Profile;

/// Whom to trust, who we are, and the target's name.
pub struct Tls {
    http1: TlsConnector,
    http2: TlsConnector,
    name: ServerName<'static>,
}

/// Why no TLS connection can be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the profile or command line.
    #[error("{knob} {file}: {why}")]
    File {
        /// Its name in the profile.
        knob: &'static str,
        /// The path as given.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody to trust.
    #[error("this machine has no certificate authorities to trust; name them with --cacert")]
    NoRoots,
    /// A host that TLS has no name for.
    #[error("{0} is no host name that TLS knows")]
    Name(String),
    /// A certificate without its key, or the other way round.
    #[error("a client certificate needs its key: give both, --cert and --cert-key")]
    Half,
    /// The library refuses.
    #[error("TLS: {0}")]
    Refused(#[from] rustls::Error),
}

impl Tls {
    /// As the profile says, to a host of this name.
    pub fn new(profile: &Profile, host: &str) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let builder = match profile.insecure {
            true => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            false => builder.with_root_certificates(roots(profile)?),
        };
        let mut config = match (&profile.cert, &profile.cert_key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => builder.with_client_auth_cert(certificates("cert", cert)?, private(key)?)?,
            _ => return Err(TlsError::Half),
        };
        // Each captured connection is some client's own: none gets a session from another.
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.into()))?;
        // A target that prefers another is told that this is the only one we speak on the connection.
        let connector = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Ok(Tls { http1: connector(b"http/1.1"), http2: connector(b"h2"), name })
    }

    /// The handshake on a new connection.
    pub async fn shake_hands(&self, socket: Socket, speaks: Speaks) -> io::Result<TlsStream<Socket>> {
        let connector = if speaks == Speaks::Http2 { &self.http2 } else { &self.http1 };
        connector.connect(self.name.clone(), socket).await
    }
}

/// The target has no protocol in common with what it was offered.
pub fn is_no_protocol(error: &io::Error) -> bool {
    let library = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(library, Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)))
}

/// Whom to trust: those that the profile names, or else those that this machine trusts.
fn roots(profile: &Profile) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match &profile.cacert {
        Some(file) => {
            for certificate in certificates("cacert", file)? {
                roots.add(certificate).map_err(|e| unusable("cacert", file, &e))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// The certificates in a PEM file; at least one.
fn certificates(knob: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(unusable(knob, file, &"there is no certificate in it (PEM)")),
        Ok(all) => Ok(all),
        Err(error) => Err(unusable(knob, file, &error)),
    }
}

fn private(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable("cert-key", file, &error))
}

fn unusable(knob: &'static str, file: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File { knob, file: file.display().to_string(), why: why.to_string() }
}

/// Trusts whatever certificate is shown (`--insecure`), if only its owner shows it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
