//! One exchange: request in, fault applied, reply out.

use std::{convert::Infallible, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Limited, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::watch;

use super::{Exchange, FaultKind, LoggedRequest, Reply, Request, Shared, serve::Connection};

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// The largest request body that is read.
const MAX_REQUEST: usize = 16 << 20;

/// How a body travels.
enum Way {
    Whole,
    Cut { after: u64, reset: bool },
    Stall { after: u64 },
}

/// Answers one request on `connection`.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    connection: Connection,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let request = match read(request).await {
        Ok(request) => request,
        Err(problem) => {
            return Ok(respond(
                false,
                Reply::text(problem).with_status(413),
                Way::Whole,
                &connection,
                &shared,
            ));
        }
    };
    let (index, fault) = {
        let mut log = shared.log();
        let fault = log.faults.iter_mut().find_map(|fault| fault.apply(&request));
        let logged = LoggedRequest {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
        };
        log.exchanges.push(Exchange { request: logged, reply: None });
        (log.exchanges.len() - 1, fault)
    };
    // Held before the arrival is announced, so that a release after the arrival is not missed.
    let mut held = shared.held.subscribe();
    shared.arrived.send_modify(|arrived| *arrived += 1);

    let mut reply = match &fault {
        Some(FaultKind::Reply(reply)) => reply.clone(),
        _ => shared.handler.handle(&request),
    };
    let mut way = Way::Whole;
    match fault {
        None | Some(FaultKind::Reply(_)) => {}
        Some(FaultKind::Delay(delay)) => tokio::time::sleep(delay).await,
        Some(FaultKind::Hold) => {
            // The sender lives as long as the server.
            let _ = held.changed().await;
        }
        Some(FaultKind::CutAfter(after)) => way = Way::Cut { after, reset: false },
        Some(FaultKind::ResetAfter(after)) => way = Way::Cut { after, reset: true },
        Some(FaultKind::StallAfter(after)) => way = Way::Stall { after },
        Some(FaultKind::FlipByte(offset)) => {
            let mut body = BytesMut::from(reply.body);
            if let Some(byte) = usize::try_from(offset).ok().and_then(|offset| body.get_mut(offset)) {
                *byte = !*byte;
            }
            reply.body = body.freeze();
        }
        Some(FaultKind::Truncate(length)) => {
            reply.body = split(&reply.body, length).0;
            forget_length(&mut reply);
        }
        Some(FaultKind::ExtraBytes(count)) => {
            let mut body = BytesMut::from(reply.body);
            body.resize(body.len() + usize::try_from(count).expect("the extra bytes fit in memory"), b'x');
            reply.body = body.freeze();
            forget_length(&mut reply);
        }
        Some(FaultKind::WithoutHeader(name)) => {
            reply.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(&name));
        }
    }
    if let Some(exchange) = shared.log().exchanges.get_mut(index) {
        exchange.reply = Some(reply.clone());
    }
    Ok(respond(request.method == "HEAD", reply, way, &connection, &shared))
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, String> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_REQUEST).collect().await.map_err(|error| error.to_string())?;
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Ok(Request {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_bytes(),
    })
}

fn respond(
    head: bool,
    reply: Reply,
    way: Way,
    connection: &Connection,
    shared: &Shared,
) -> hyper::Response<Body> {
    let mut builder = hyper::Response::builder().status(reply.status);
    let bodiless = reply.status == 204 || reply.status == 304;
    if !bodiless && reply.get("content-length").is_none() && reply.get("transfer-encoding").is_none() {
        builder = builder.header("content-length", reply.body.len());
    }
    for (name, value) in &reply.headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    let body = match way {
        _ if head || bodiless => BodyExt::boxed(StreamBody::new(stream::empty())),
        Way::Whole => framed(stream::iter([Ok(reply.body)])),
        Way::Cut { after, reset } => framed(cut(split(&reply.body, after).0, reset, connection.clone())),
        Way::Stall { after } => {
            let (start, rest) = split(&reply.body, after);
            framed(stalled(start, rest, shared.held.subscribe()))
        }
    };
    builder.body(body).expect("the test's reply is valid HTTP")
}

/// Sends `start` and breaks the connection once it is on its way.
fn cut(start: Bytes, reset: bool, connection: Connection) -> impl Stream<Item = io::Result<Bytes>> {
    let flushed = connection.flushed();
    stream::iter([Ok(start)]).chain(stream::once(async move {
        let mut flushed = flushed;
        // The connection outlives its bodies.
        let _ = flushed.changed().await;
        if reset {
            connection.reset_on_close();
        }
        Err(io::Error::other("cut by fault"))
    }))
}

fn stalled(
    start: Bytes,
    rest: Bytes,
    mut held: watch::Receiver<u64>,
) -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter([Ok(start)]).chain(stream::once(async move {
        // The sender lives as long as the server.
        let _ = held.changed().await;
        Ok(rest)
    }))
}

fn framed(pieces: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
}

fn split(body: &Bytes, at: u64) -> (Bytes, Bytes) {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(body.len());
    (body.slice(..at), body.slice(at..))
}

fn forget_length(reply: &mut Reply) {
    reply.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
}
