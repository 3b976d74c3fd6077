//! HTTP/2 under TLS.

use super::*;
use crate::replay::transports::Authority;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use standin::replay::Options;
use tokio_rustls::TlsAcceptor;

/// A target under TLS that offers these protocols, and speaks HTTP/2.
fn secure(authority: &Authority, offers: &[&str]) -> String {
    authority.vouch("localhost");
    let certificate = CertificateDer::from_pem_file(authority.path("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("localhost.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        local(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                tokio::task::spawn_local(async move {
                    let Ok(mut streams) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = streams.accept().await {
                        assert_eq!(request.uri().scheme_str(), Some("https"));
                        give(respond, status(200), Bytes::new(), None).await;
                    }
                });
            }
        });
    });
    format!("https://localhost:{port}")
}

#[test]
fn under_tls_http2_is_agreed_on_or_it_is_told() {
    let authority = Authority::new();
    let profile = Profile { protocol: Protocol::H2, cacert: Some(authority.path("ca.pem")), ..h2c(Mode::Captured) };
    let result = replay(gets(4, 3), &secure(&authority, &["http/1.1", "h2"]), profile.clone());
    assert_eq!((result.requests.answered, result.connections.opened), (4, 1), "{:?}", result.requests);
    // One has another protocol and says so, the other has never heard of choosing one.
    for offers in [&["http/1.1"][..], &[]] {
        let result = replay(gets(2, 3), &secure(&authority, offers), profile.clone());
        assert_eq!(failed(&result), BTreeMap::from([(Failure::Protocol, 2)]), "{offers:?}");
        assert!(result.warnings.iter().any(|told| told.contains("did not speak HTTP/2")), "{:?}", result.warnings);
    }
    for (url, protocol) in [("https://localhost:9", Protocol::H2c), ("http://localhost:9", Protocol::H2)] {
        let options = Options::new(url, Profile { protocol, ..Profile::default() });
        assert_eq!(run(Arc::new(gets(1, 0)), options).unwrap_err().exit_code(), 2);
    }
}
