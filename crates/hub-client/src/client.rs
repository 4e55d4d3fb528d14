//! The client of one hub, and how it asks.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hub_layout::Hub;
use transport::{Request, Response, RetryPolicy, Transport};

use crate::{Error, ErrorKind, Limits, pool::Pool};

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Plans and downloads models from one hub.
///
/// One client serves any number of models and tasks at the same time; clones share what they hold.
#[derive(Clone)]
pub struct HubClient {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    pub(crate) pool: Arc<Pool>,
    token: Option<Arc<str>>,
    clock: Clock,
}

impl HubClient {
    /// Creates a client of `hub` that asks through `transport`.
    ///
    /// The transport repeats requests that fail ([`transport::Retry`]); this client goes on with what breaks off on
    /// the way, which no transport can do.
    pub fn new(transport: Arc<dyn Transport>, hub: Hub) -> Self {
        let limits = Limits::default();
        let pool = Arc::new(Pool::new(limits.parallel));
        Self { transport, hub, limits, pool, token: None, clock: Arc::new(SystemTime::now) }
    }

    /// Sets what the hub may make this client do.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.pool = Arc::new(Pool::new(limits.parallel));
        self
    }

    /// Sends `token` as a bearer token to the hub's own origin: to nobody else, whatever it redirects to.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into().into());
        self
    }

    /// Takes the time, which manifests keep, from `clock` instead of the system.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Returns the Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Waits before something is asked for once more, after `failures` in a row.
    pub(crate) async fn pause(&self, failures: u32) {
        let mut policy = RetryPolicy::default();
        (policy.attempts, policy.base) = (u32::MAX, self.limits.pause);
        let pause = policy.next_pause(failures, None, Duration::ZERO);
        tokio::time::sleep(pause.unwrap_or(policy.cap)).await;
    }

    /// Sends a request; any status is an answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, Error> {
        let request = match &self.token {
            Some(token) if request.url().origin() == self.hub.root().origin() => request.bearer(&**token),
            _ => request,
        };
        self.transport.send(request).await.map_err(Error::request)
    }
}

/// Returns the answer if it succeeded, or else what the hub means by its status and error code.
pub(crate) fn success(response: Response) -> Result<Response, Error> {
    let code = response.headers.get("x-error-code").unwrap_or_default().to_owned();
    response.success().map_err(|error| {
        let error = Error::request(error);
        match code.as_str() {
            "RepoNotFound" => error
                .with_kind(ErrorKind::NotFound)
                .with_detail("it has no model of this name, or it is private and needs a token"),
            "RevisionNotFound" => {
                error.with_kind(ErrorKind::NotFound).with_detail("the model has no such revision")
            }
            "EntryNotFound" => error.with_kind(ErrorKind::MissingFile),
            "GatedRepo" => error
                .with_kind(ErrorKind::Denied)
                .with_detail("the model is for those who accepted its terms"),
            _ => error,
        }
    })
}

impl fmt::Debug for HubClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubClient")
            .field("transport", &self.transport)
            .field("hub", &self.hub)
            .field("limits", &self.limits)
            .field("token", &self.token.as_ref().map(|_| "(secret)"))
            .finish_non_exhaustive()
    }
}
