//! A small HTTP/1.1 server on loopback that logs requests and injects faults.
//!
//! The server has its own thread and runtime, so that synchronous tests, asynchronous tests and the demo can
//! all use it. What it answers is decided by a [`Handler`]: a function from a [`Request`] to a [`Reply`].
//! What goes wrong on the way is decided by [`Fault`]s, which the handler does not see.
//!
//! ```
//! use testkit::http::{Fault, FaultKind, HttpServer, Reply, Request};
//!
//! let server = HttpServer::start(|request: &Request| match request.path.as_str() {
//!     "/hello" => Reply::text("hello, world"),
//!     _ => Reply::status(404),
//! });
//! server.fault(Fault::new("/hello", FaultKind::status(503)).times(1));
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! assert!(server.requests().is_empty());
//! server.stop(); // from here on the port refuses connections
//! ```

mod exchange;
mod fault;
mod message;
mod range;
mod serve;

use std::{
    fmt,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use tokio::sync::watch;

pub use fault::{Fault, FaultKind};
pub use message::{Exchange, LoggedRequest, Reply, Request};

/// Decides what a server answers.
///
/// It runs on the server's thread, one request at a time, so it must not block for long.
pub trait Handler: Send + Sync + 'static {
    /// Returns the answer to `request`.
    fn handle(&self, request: &Request) -> Reply;
}

impl<F: Fn(&Request) -> Reply + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request) -> Reply {
        self(request)
    }
}

/// A running server; it stops when dropped.
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the server's thread and its owner both use.
pub(crate) struct Shared {
    address: SocketAddr,
    handler: Box<dyn Handler>,
    log: Mutex<Log>,
    arrived: watch::Sender<usize>,
    held: watch::Sender<u64>,
}

#[derive(Default)]
struct Log {
    exchanges: Vec<Exchange>,
    faults: Vec<Fault>,
}

impl HttpServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port is free or no thread can be started: a test cannot go on without its server.
    pub fn start(handler: impl Handler) -> Self {
        Self::start_at(0, handler)
    }

    /// Starts a server on `port` of 127.0.0.1; 0 takes a free one.
    ///
    /// # Panics
    ///
    /// If the port is taken or no thread can be started.
    pub fn start_at(port: u16, handler: impl Handler) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            address,
            handler: Box::new(handler),
            log: Mutex::default(),
            arrived: watch::Sender::new(0),
            held: watch::Sender::new(0),
        });
        let (stop, stopped) = watch::channel(false);
        let thread = spawn(listener, Arc::clone(&shared), stopped);
        Self { address, shared, stop, thread: Mutex::new(Some(thread)) }
    }

    /// Returns the address of the server without a final slash: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the socket address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the requests so far, in the order they arrived.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log().exchanges.iter().map(|exchange| exchange.request.clone()).collect()
    }

    /// Returns the requests so far with what was answered, in the order the requests arrived.
    ///
    /// An exchange that is still going on, or was cut off by a fault, is there too: with what would have been
    /// sent.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.log().exchanges.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.shared.log().exchanges.clear();
        self.shared.arrived.send_replace(0);
    }

    /// Waits until `count` requests have arrived since the start or [`forget_requests`](Self::forget_requests).
    pub async fn until_requests(&self, count: usize) {
        let mut arrived = self.shared.arrived.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = arrived.wait_for(|arrived| *arrived >= count).await;
    }

    /// Adds a fault; of several that match a request, the one added first applies.
    pub fn fault(&self, fault: Fault) {
        self.shared.log().faults.push(fault);
    }

    /// Removes all faults and lets go of what they hold.
    pub fn clear_faults(&self) {
        self.shared.log().faults.clear();
        self.release();
    }

    /// Lets go of every answer that [`FaultKind::Hold`] or [`FaultKind::StallAfter`] holds back now.
    pub fn release(&self) {
        self.shared.held.send_modify(|released| *released += 1);
    }

    /// Stops the server: open connections break and the port refuses new ones.
    ///
    /// Returns when the port is closed. Stopping twice is fine.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the handler was printed already and broke one connection only.
            let _ = thread.join();
        }
    }

    /// Starts a stopped server again, at the same address and with its log and faults. A running one stays as it is.
    ///
    /// # Panics
    ///
    /// If somebody else has taken the port in the meantime.
    pub fn restart(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let listener = TcpListener::bind(self.address).expect("the port is still free");
            self.stop.send_replace(false);
            *thread = Some(spawn(listener, Arc::clone(&self.shared), self.stop.subscribe()));
        }
    }
}

fn spawn(listener: TcpListener, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> JoinHandle<()> {
    std::thread::Builder::new()
        .name(format!("http {}", shared.address.port()))
        .spawn(move || serve::run(listener, shared, stopped))
        .expect("the system has room for a thread")
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
