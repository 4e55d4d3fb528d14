//! Waiting for the signals that end a program.

/// The exit code for an interrupt from the keyboard: 128 and the signal's number.
pub(crate) const INTERRUPT: u8 = 130;

/// Waits for a signal and returns the exit code that stands for it: 130 for an interrupt, 143 for termination.
#[cfg(unix)]
pub(crate) async fn interrupted() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    /// The exit code for a request to terminate.
    const TERMINATE: u8 = 143;
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return keyboard().await;
    };
    tokio::select! {
        code = keyboard() => code,
        _ = terminate.recv() => TERMINATE,
    }
}

/// Waits for a signal and returns the exit code that stands for it.
#[cfg(not(unix))]
pub(crate) async fn interrupted() -> u8 {
    keyboard().await
}

async fn keyboard() -> u8 {
    if tokio::signal::ctrl_c().await.is_err() {
        // Signals cannot be heard here: then the system ends the program by itself.
        std::future::pending::<()>().await;
    }
    INTERRUPT
}
