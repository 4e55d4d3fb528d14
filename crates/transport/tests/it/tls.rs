//! Certificates are checked, extra roots are trusted, and TLS is never left again.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use testkit::tls::Identity;
use transport::{Error, ErrorKind, Request, Response, Transport};
use url::Url;

use crate::http_with;

/// Answers one connection with `answer`; returns its address.
fn serve(identity: &Identity, answer: &'static str) -> Url {
    let certificate = CertificateDer::from(identity.certificate.clone());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.clone()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .expect("the identity is good");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let Ok((mut socket, _)) = listener.accept() else { return };
        let mut connection = ServerConnection::new(Arc::new(config)).expect("the configuration is good");
        let mut stream = Stream::new(&mut connection, &mut socket);
        // A client that does not trust the certificate goes away here.
        let mut request = [0; 4096];
        if stream.read(&mut request).is_ok_and(|count| count > 0) {
            let _ = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    format!("https://{address}/x").parse().expect("it is a URL")
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
const TO_HTTP: &str =
    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

async fn ask(url: Url, trusted: Option<&Identity>) -> Result<Response, Error> {
    let http = http_with(|options| {
        options.extra_roots =
            trusted.map(|identity| identity.root_pem.clone().into_bytes()).into_iter().collect();
    });
    http.send(Request::get(url, 100)).await
}

#[tokio::test]
async fn a_root_that_is_given_is_trusted_and_no_other() {
    let identity = Identity::new(&["127.0.0.1"]);
    let response = ask(serve(&identity, HELLO), Some(&identity)).await.expect("it is trusted");
    assert_eq!(response.bytes().await.expect("it is short").as_ref(), b"hello");

    let stranger = Identity::new(&["127.0.0.1"]);
    let misnamed = Identity::new(&["hub.example", "10.0.0.1"]);
    for (served, trusted) in [(&identity, None), (&identity, Some(&stranger)), (&misnamed, Some(&misnamed))] {
        let error = ask(serve(served, HELLO), trusted).await.expect_err("it is not trusted");
        assert_eq!(error.kind(), ErrorKind::Certificate, "{error}");
        assert!(!error.is_transient(), "trying again does not help");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_leave_tls() {
    let identity = Identity::new(&["127.0.0.1"]);
    let error = ask(serve(&identity, TO_HTTP), Some(&identity)).await.expect_err("it leads to http");
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.to_string().contains("https to http"), "{error}");
}
