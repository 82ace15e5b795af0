//! Running a target so that a panic is an answer, not the end.

use std::{
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

/// A panic: where it was, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caught {
    /// File and line.
    pub place: String,
    /// Its message.
    pub message: String,
}

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<Caught>> = const { RefCell::new(None) };
}

/// Runs `run` on one input.
///
/// # Errors
///
/// With the panic. Nothing of it is printed.
pub fn run_caught(run: fn(&[u8]), input: &[u8]) -> Result<(), Caught> {
    listen();
    IS_CATCHING.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(input)));
    IS_CATCHING.set(false);
    outcome.map_err(|_| {
        let unknown = || Caught { place: "unknown".to_owned(), message: String::new() };
        CAUGHT.take().unwrap_or_else(unknown)
    })
}

/// Notes the panics of threads that are catching; others go the way they went.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_CATCHING.get() {
                CAUGHT.set(Some(caught(info)));
            } else {
                before(info);
            }
        }));
    });
}

fn caught(info: &PanicHookInfo<'_>) -> Caught {
    /// An assertion may show the whole input.
    const MESSAGE_CHARS_MAX: usize = 2000;
    let place = info.location();
    let place = place.map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    let message = info.payload_as_str().unwrap_or_default();
    Caught { place, message: message.chars().take(MESSAGE_CHARS_MAX).collect() }
}
