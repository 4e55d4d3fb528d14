//! What a caller asks for: the model of a task, of a feature, or one named outright.

use std::{fmt, str::FromStr};

use hub_layout::{ModelId, Revision, Task};
use serde::{Serialize, Serializer};

use crate::{Error, ErrorKind};

/// A question to the settings: which model is for this task, or for this feature of an application?
///
/// Its text form, as in `task:feature-extraction` or `feature:link-preview;model:org/name`, is the name under
/// which an installed model is kept in use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    feature: Option<String>,
    task: Option<Task>,
    model: Option<ModelId>,
    default_model: bool,
}

/// What can be pulled or removed: what a task uses, a model by name, or a runtime file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The model that the settings name for this.
    Query(Query),
    /// This model; `main` where no revision is given.
    Model(ModelId, Option<Revision>),
    /// This runtime file.
    Runtime(String),
}

impl Query {
    /// Asks for the model of a task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] unless the name has only letters, digits, `-` and `_`.
    pub fn task(name: &str) -> Result<Self, Error> {
        let task = name.parse().map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("{name:?} is no task name")).with_source(error)
        })?;
        Ok(Self { feature: None, task: Some(task), model: None, default_model: false })
    }

    /// Asks for the model of a feature of an application.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] unless the name has only letters, digits, `-` and `_`.
    pub fn feature(name: &str) -> Result<Self, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Error::new(ErrorKind::InvalidInput, format!("{name:?} is no feature name"))
                .with_hint("a feature name has only letters, digits, \"-\" and \"_\""));
        }
        Ok(Self { feature: Some(name.to_owned()), task: None, model: None, default_model: false })
    }

    /// Takes a task's record where the feature has none of its own.
    ///
    /// # Errors
    ///
    /// As [`Query::task`].
    pub fn or_task(mut self, name: &str) -> Result<Self, Error> {
        self.task = Self::task(name)?.task;
        Ok(self)
    }

    /// Takes only records of this model: the way to choose where several records match.
    #[must_use]
    pub fn with_model(mut self, model: ModelId) -> Self {
        self.model = Some(model);
        self
    }

    /// Takes the task's built-in default model where no record matches.
    #[must_use]
    pub fn or_default_model(mut self) -> Self {
        self.default_model = true;
        self
    }

    /// Returns the feature asked for.
    pub fn feature_name(&self) -> Option<&str> {
        self.feature.as_deref()
    }

    /// Returns the task asked for.
    pub fn task_name(&self) -> Option<&Task> {
        self.task.as_ref()
    }

    /// Returns the model that a record must name.
    pub fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Returns whether a built-in default may serve.
    pub fn allows_default_model(&self) -> bool {
        self.default_model
    }

    /// Returns the arguments that ask the command line for this.
    pub(crate) fn arguments(&self) -> String {
        let task = self.task.as_ref().map_or("TASK", Task::as_str);
        let feature = self.feature.as_ref().map(|feature| format!(" --feature {feature}"));
        let model = self.model.as_ref().map(|model| format!(" --model {model}"));
        let default = if self.default_model { " --default-model" } else { "" };
        format!("{task}{}{}{default}", feature.unwrap_or_default(), model.unwrap_or_default())
    }

    /// Says what is asked for, as part of a sentence.
    pub(crate) fn described(&self) -> String {
        let of = match (&self.feature, &self.task) {
            (Some(feature), Some(task)) => format!("feature {feature:?} or task {task}"),
            (Some(feature), None) => format!("feature {feature:?}"),
            (None, Some(task)) => format!("task {task}"),
            (None, None) => "any task".to_owned(),
        };
        match &self.model {
            Some(model) => format!("{of} with model {model}"),
            None => of,
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.feature.as_ref().map(|feature| format!("feature:{feature}")),
            self.task.as_ref().map(|task| format!("task:{task}")),
            self.model.as_ref().map(|model| format!("model:{model}")),
            self.default_model.then(|| "default".to_owned()),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(";"))
    }
}

impl FromStr for Query {
    type Err = Error;

    /// Reads the text form; a text without a colon is a task.
    fn from_str(text: &str) -> Result<Self, Error> {
        if !text.contains([':', ';']) {
            return Self::task(text);
        }
        let invalid = || Error::new(ErrorKind::InvalidInput, format!("{text:?} asks for no task or feature"));
        let mut query = Self { feature: None, task: None, model: None, default_model: false };
        for part in text.split(';') {
            match part.split_once(':') {
                Some(("feature", name)) => query.feature = Self::feature(name)?.feature,
                Some(("task", name)) => query = query.or_task(name)?,
                Some(("model", name)) => query.model = Some(name.parse().map_err(|_| invalid())?),
                None if part == "default" => query.default_model = true,
                _ => return Err(invalid()),
            }
        }
        if query.feature.is_none() && query.task.is_none() {
            return Err(invalid());
        }
        Ok(query)
    }
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Target {
    type Err = Error;

    /// Reads `MODEL@REVISION`, a model with a slash in its name, `runtime:NAME`, or else a query.
    ///
    /// So what [`InstalledModel::used_by`](crate::InstalledModel::used_by) lists can be read, too.
    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |error: &dyn fmt::Display| {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} names no model: {error}"))
                .with_hint("a model is written ORGANISATION/NAME or ORGANISATION/NAME@REVISION")
        };
        if let Some(name) = text.strip_prefix("runtime:") {
            return Ok(Self::Runtime(name.to_owned()));
        }
        let text = text.strip_prefix("model:").filter(|_| !text.contains(';')).unwrap_or(text);
        let (model, revision) = match text.split_once('@') {
            Some((model, revision)) => (model, Some(revision.parse().map_err(|error| invalid(&error))?)),
            None if text.contains('/') && !text.contains(':') => (text, None),
            None => return text.parse().map(Self::Query),
        };
        Ok(Self::Model(model.parse().map_err(|error| invalid(&error))?, revision))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => query.fmt(f),
            Self::Model(model, None) => model.fmt(f),
            Self::Model(model, Some(revision)) => write!(f, "{model}@{revision}"),
            Self::Runtime(name) => write!(f, "runtime:{name}"),
        }
    }
}

/// What stands for a [`Query`]: one, or a text such as `feature-extraction`.
pub trait IntoQuery: Send {
    /// Makes the query.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if the text asks for no task or feature.
    fn into_query(self) -> Result<Query, Error>;
}

impl IntoQuery for Query {
    fn into_query(self) -> Result<Query, Error> {
        Ok(self)
    }
}

impl IntoQuery for &Query {
    fn into_query(self) -> Result<Query, Error> {
        Ok(self.clone())
    }
}

impl IntoQuery for &str {
    fn into_query(self) -> Result<Query, Error> {
        self.parse()
    }
}
