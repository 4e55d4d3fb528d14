//! The server's thread: accepts connections and serves each until the server stops.

use std::{
    io,
    net::TcpListener,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::future::{Either, select};
use hyper::{
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::watch};

use super::{Shared, exchange::answer};

/// What an exchange may know of, and do to, the connection it is on.
#[derive(Clone)]
pub(crate) struct Connection(Arc<State>);

struct State {
    /// Counts the times that everything written has reached the operating system.
    flushed: watch::Sender<u64>,
    reset: AtomicBool,
}

/// A socket that reports when it was flushed, and may end with a reset.
struct Wire {
    socket: TokioIo<TcpStream>,
    connection: Connection,
}

impl Connection {
    /// Returns a receiver that changes when what is written from now on has reached the operating system.
    pub(crate) fn flushed(&self) -> watch::Receiver<u64> {
        self.0.flushed.subscribe()
    }

    /// Makes the connection end with a TCP reset.
    pub(crate) fn reset_on_close(&self) {
        self.0.reset.store(true, Ordering::Relaxed);
    }
}

/// Serves until `stopped` says so; runs on the server's own thread.
pub(crate) fn run(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .expect("the system has room for a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes the socket");
        loop {
            match select(pin!(stopped.wait_for(|stopped| *stopped)), pin!(listener.accept())).await {
                Either::Left(_) => return,
                // A client that went away before it was accepted is no matter.
                Either::Right((Err(_), _)) => {}
                Either::Right((Ok((socket, _)), _)) => {
                    tokio::spawn(serve(socket, Arc::clone(&shared)));
                }
            }
        }
    });
    // Dropping the runtime ends all connections.
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // Small pieces arrive when they are sent; without this, tests wait for Nagle's algorithm.
    let _ = socket.set_nodelay(true);
    let connection =
        Connection(Arc::new(State { flushed: watch::Sender::new(0), reset: AtomicBool::new(false) }));
    let wire = Wire { socket: TokioIo::new(socket), connection: connection.clone() };
    let service = service_fn(|request| answer(Arc::clone(&shared), connection.clone(), request));
    // A connection ends with an error when a fault cuts it or the client goes away.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(wire, service).await;
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.0.reset.load(Ordering::Relaxed) {
            // Without it the client sees an orderly end in the middle of a body, which is bad enough.
            let _ = self.socket.inner().set_zero_linger();
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.connection.0.flushed.send_modify(|flushed| *flushed += 1);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
