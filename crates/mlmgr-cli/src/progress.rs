//! How a download is shown on standard error.

use std::{collections::BTreeMap, io::IsTerminal, sync::Mutex, sync::PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mlmgr::{Event, NoProgress, Observer, Progress};

use crate::{
    args::{Global, ProgressKind},
    output::error_line,
    render,
};

/// Returns what shows downloads as the command line asks.
pub(crate) fn progress(global: &Global) -> Box<dyn Progress> {
    match kind(global) {
        ProgressKind::None => Box::new(NoProgress),
        ProgressKind::Plain => Box::new(Plain),
        ProgressKind::Bar => Box::new(Bar::new()),
    }
}

/// Returns how the command line wants progress to be shown.
fn kind(global: &Global) -> ProgressKind {
    let usual = if std::io::stderr().is_terminal() { ProgressKind::Bar } else { ProgressKind::Plain };
    let quiet = global.quiet || global.json;
    global.progress.unwrap_or(if quiet { ProgressKind::None } else { usual })
}

/// Returns what shows exports and imports as the command line asks.
pub(crate) fn observer(global: &Global) -> Observer {
    match kind(global) {
        ProgressKind::None => Observer::default(),
        ProgressKind::Plain => {
            let told = Mutex::new(0);
            Observer::new(move |step| {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                if *told < step.files {
                    *told = step.files;
                    error_line(&format!("{} of {} files", step.files, step.all_files));
                }
            })
        }
        ProgressKind::Bar => {
            let bar = Bar::new().bar;
            Observer::new(move |step| {
                bar.set_length(step.all_bytes);
                bar.set_position(step.bytes);
                if step.files == step.all_files {
                    bar.finish_and_clear();
                }
            })
        }
    }
}

fn evicted(model: &str, bytes: u64) -> String {
    format!("evicted {model} to make room: {} freed", render::bytes(bytes))
}

/// A line when a file starts or ends.
#[derive(Debug)]
struct Plain;

/// One bar over all files.
#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    received: Mutex<BTreeMap<String, u64>>,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, received: Mutex::default() }
    }

    fn set(&self, path: &str, received: u64) {
        let mut all = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned(), received);
        let sum = all.values().sum();
        drop(all);
        if self.bar.length().is_none_or(|length| length < sum) {
            self.bar.set_length(sum);
        }
        self.bar.set_position(sum);
    }
}

impl Progress for Plain {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::FileStarted { path, size, .. } => {
                let size = size.map_or_else(|| "size unknown".to_owned(), render::bytes);
                error_line(&format!("fetching {path} ({size})"));
            }
            Event::FileResumed { path, resumed, .. } => {
                error_line(&format!("{} of {path} are there already", render::bytes(*resumed)));
            }
            Event::PartRetried { path, offset, reason, .. } => {
                error_line(&format!("once more {path} from byte {offset}: {reason}"));
            }
            Event::FileRestarted { path, reason, .. } => error_line(&format!("once more {path}: {reason}")),
            Event::FileDone { path, .. } => error_line(&format!("verified {path}")),
            Event::Evicted { model, bytes, .. } => error_line(&evicted(model, *bytes)),
            _ => {}
        }
    }
}

impl Progress for Bar {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Planned { to_fetch, .. } => self.bar.set_length(*to_fetch),
            Event::FileStarted { path, .. } => self.bar.set_message(path.to_string()),
            Event::Received { path, received, .. } => self.set(path.as_str(), *received),
            Event::FileResumed { path, resumed, .. } => self.set(path.as_str(), *resumed),
            Event::FileWaiting { path, received, .. } => self.set(path.as_str(), *received),
            Event::FileRestarted { path, kept, .. } => self.set(path.as_str(), *kept),
            Event::Finished => self.bar.finish_and_clear(),
            Event::Evicted { model, bytes, .. } => self.bar.suspend(|| error_line(&evicted(model, *bytes))),
            _ => {}
        }
    }
}
