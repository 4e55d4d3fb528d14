//! A task ready to run, which follows updates.

use std::sync::{Arc, PoisonError, RwLock};

use blob_store::Hold;
use pipelines::{Input, Output, Pipeline, RunOptions};
use serde::Serialize;

use crate::{Error, ErrorKind};

/// A task ready to run.
///
/// A cheap handle: clones, and engines of the same manager for the same task, share one loaded model. When an
/// update moves the task to another model or revision, the next [`run`](Self::run) uses that one; a run that is
/// under way ends with the one it began with. As long as the model is loaded, no process evicts it from the store; one
/// that removes it does no harm, since what is open stays readable.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) slot: Arc<Slot>,
}

/// Which model an engine has loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EngineInfo {
    /// The task.
    pub task: String,
    /// The hub that the model came from.
    pub hub: String,
    /// The model.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// The commit that the revision stood for, where the hub says.
    pub commit: Option<String>,
    /// The file with the weights.
    pub file: String,
}

/// What handles of one task share.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) usage: String,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    loaded: Arc<Loaded>,
    /// Why the settings forbid it now, if they do.
    refused: Option<String>,
}

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) pipeline: Box<dyn Pipeline>,
    pub(crate) info: EngineInfo,
    /// Keeps it from being evicted as long as it is loaded.
    pub(crate) _hold: Option<Hold>,
}

impl Slot {
    pub(crate) fn new(usage: String, loaded: Arc<Loaded>) -> Self {
        Self { usage, state: RwLock::new(State { loaded, refused: None }) }
    }

    pub(crate) fn replace(&self, loaded: Arc<Loaded>) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State { loaded, refused: None };
    }

    /// Forbids the model for a reason, or with none allows it again.
    pub(crate) fn refuse(&self, why: Option<String>) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).refused = why;
    }

    /// Returns what is loaded, unless the settings forbid it.
    pub(crate) fn info(&self) -> Option<EngineInfo> {
        self.loaded().ok().map(|loaded| loaded.info.clone())
    }

    fn loaded(&self) -> Result<Arc<Loaded>, Error> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.refused {
            None => Ok(Arc::clone(&state.loaded)),
            Some(why) => Err(Error::new(ErrorKind::Denied, why)),
        }
    }
}

impl Engine {
    /// Runs the task.
    ///
    /// It computes on the calling thread until it is done: from asynchronous code, call it in a blocking task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] for an input the task cannot take, such as an empty one;
    /// [`ErrorKind::LimitExceeded`]; [`ErrorKind::Denied`] if an update found that the settings forbid the model
    /// now; [`ErrorKind::Failed`] if the model cannot be computed on this input; [`ErrorKind::InvalidModel`] or
    /// [`ErrorKind::Unsupported`] if that shows what is wrong with the model itself.
    pub fn run(&self, input: &Input, options: &RunOptions) -> Result<Output, Error> {
        let loaded = self.slot.loaded()?;
        loaded.pipeline.run(input, options).map_err(|error| {
            let info = &loaded.info;
            Error::from(error).about(format!("{} with {}@{} failed", info.task, info.model, info.revision))
        })
    }

    /// Returns which model is loaded now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`], as [`run`](Self::run).
    pub fn info(&self) -> Result<EngineInfo, Error> {
        Ok(self.slot.loaded()?.info.clone())
    }
}
