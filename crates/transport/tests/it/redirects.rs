//! Redirects are followed within limits, and secrets stay at home.

use testkit::http::{HttpServer, Reply, Request as Asked};
use transport::{ErrorKind, Request, Transport};

use crate::{http, http_with, url};

fn redirect(status: u16, location: impl Into<String>) -> Reply {
    Reply::text("elsewhere").with_status(status).header("location", location).header("x-from", "here")
}

#[tokio::test]
async fn each_step_is_kept() {
    let server = HttpServer::start(|request: &Asked| match request.path.as_str() {
        "/a" => redirect(302, "b/c?x=1"),
        "/b/c" => redirect(307, "/d"),
        "/d" => Reply::text("here"),
        "/e" => Reply::status(302),
        "/f" => redirect(304, "/d"),
        _ => Reply::status(404),
    });
    let response = http().send(Request::get(url(&server, "/a"), 10)).await.expect("two redirects are fine");
    assert_eq!((response.status, &response.url), (200, &url(&server, "/d")));
    let steps: Vec<_> = response.redirects.iter().map(|step| (step.status, step.url.clone())).collect();
    assert_eq!(steps, [(302, url(&server, "/a")), (307, url(&server, "/b/c?x=1"))]);
    assert_eq!(response.redirects[0].headers.get("x-from"), Some("here"));
    assert_eq!(response.bytes().await.expect("it fits").as_ref(), b"here");
    for (target, status) in [("/e", 302), ("/f", 304)] {
        let response = http().send(Request::get(url(&server, target), 10)).await.expect("it is an answer");
        assert_eq!((response.status, response.redirects.len()), (status, 0));
    }
    let head = http().send(Request::head(url(&server, "/a"))).await.expect("two redirects are fine");
    assert_eq!((head.status, head.redirects.len()), (200, 2));
}

#[tokio::test]
async fn a_loop_ends_at_the_limit() {
    let server = HttpServer::start(|_: &Asked| redirect(301, "/again"));
    for max in [0, 1, 5] {
        server.forget_requests();
        let http = http_with(|options| options.max_redirects = max);
        let error = http.send(Request::get(url(&server, "/"), 10)).await.expect_err("it never ends");
        assert_eq!(error.kind(), ErrorKind::Redirect);
        assert!(error.to_string().contains(&format!("more than {max} redirects")), "{error}");
        assert_eq!(server.requests().len(), max + 1);
    }
}

#[tokio::test]
async fn where_a_redirect_must_not_lead_nothing_is_asked() {
    let server = HttpServer::start(|request: &Asked| {
        redirect(302, request.query_value("to").expect("the test asks with it"))
    });
    for to in ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "javascript:1"] {
        let mut address = url(&server, "/");
        address.query_pairs_mut().append_pair("to", to);
        let error = http().send(Request::get(address, 10)).await.expect_err(to);
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Redirect, false), "{to}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn secrets_stay_at_their_origin_even_when_sent_back_there() {
    // Same host, another port: another origin.
    let away = HttpServer::start(|request: &Asked| match request.query_value("back") {
        Some(back) => redirect(302, back),
        None => Reply::text("away"),
    });
    let (away_url, away_back) = (url(&away, "/x"), url(&away, "/y?back="));
    let home = HttpServer::start(move |request: &Asked| match request.path.as_str() {
        "/same" => redirect(302, "/end"),
        "/away" => redirect(302, away_url.as_str()),
        "/return" => {
            let host = request.header("host").expect("a client names the host");
            redirect(302, format!("{away_back}http://{host}/end"))
        }
        _ => Reply::text("home"),
    });
    let ask = async |target| {
        let request = Request::get(url(&home, target), 100)
            .bearer("canary")
            .header("X-Token", "canary")
            .header("Cookie", "canary")
            .header("Authorization-2", "canary")
            .range(0, Some(9));
        http().send(request).await.expect("the redirects are fine")
    };
    let seen = |server: &HttpServer| {
        let last = server.requests().pop().expect("it was asked");
        let canaries = last.headers.iter().filter(|(_, value)| value.contains("canary")).count();
        (canaries, last.header("range").map(str::to_owned))
    };
    let range = Some("bytes=0-9".to_owned());
    ask("/same").await;
    assert_eq!(seen(&home), (4, range.clone()));
    ask("/away").await;
    assert_eq!(seen(&away), (0, range.clone()));
    let response = ask("/return").await;
    assert_eq!(response.redirects.len(), 2);
    assert_eq!(seen(&home), (0, range));
    assert!(away.requests().iter().all(|request| !format!("{request:?}").contains("canary")));
}
