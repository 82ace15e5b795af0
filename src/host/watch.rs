//! Looks for newer rules: whether a file of the project has changed.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use base::{Code, Explain, Place, Problem};
use decode::LogSource;
use serve::{DetectionSource, Detections};
use vet::Project;

use super::process::detections;

/// The files of a project as they were last seen.
type Seen = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// Loads the project anew when its files have changed.
#[derive(Debug)]
pub(crate) struct Watch {
    detections: Vec<PathBuf>,
    log_sources: Vec<PathBuf>,
    /// The log sources that the pipeline runs with.
    running: Vec<LogSource>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the current rules were loaded from.
    loaded: Seen,
    /// What there was at the last look: a file that is being written changes between two.
    last: Seen,
    /// Files that rules name beside the project's own.
    named: Vec<PathBuf>,
}

impl Watch {
    /// Watches the files that `project` was loaded from.
    pub(crate) fn new(
        detections: Vec<PathBuf>,
        log_sources: Vec<PathBuf>,
        project: &Project,
    ) -> Self {
        let running = project.log_sources.clone();
        let named = project.named_files.clone();
        let state = State { loaded: Seen::new(), last: Seen::new(), named };
        let watch = Self { detections, log_sources, running, state: Mutex::new(state) };
        let seen = watch.look(&project.named_files);
        let mut state = watch.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.loaded, state.last) = (seen.clone(), seen);
        drop(state);
        watch
    }

    fn look(&self, named: &[PathBuf]) -> Seen {
        let roots = self.detections.iter().chain(&self.log_sources).cloned().collect::<Vec<_>>();
        let paths = vet::files(&roots).into_iter().chain(named.iter().cloned());
        let look = |path: PathBuf| {
            let found = std::fs::metadata(&path).ok();
            let found = found.and_then(|found| Some((found.modified().ok()?, found.len())));
            (path, found)
        };
        paths.map(look).collect()
    }
}

impl DetectionSource for Watch {
    fn newer(&self) -> Option<Detections> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.look(&state.named);
        let is_settled = seen == state.last;
        state.last.clone_from(&seen);
        if !is_settled || seen == state.loaded {
            return None;
        }
        let project = vet::load(&self.detections, &self.log_sources, true);
        // A file that was added since is seen by the next look.
        state.loaded = seen;
        state.named.clone_from(&project.named_files);
        let mut newer = detections(&project);
        if project.log_sources != self.running {
            newer.problems.push(Problem::from(Restart).report());
        }
        Some(newer)
    }
}

/// The log sources have changed, and a running pipeline keeps those it has.
#[derive(Debug, thiserror::Error)]
#[error("log sources have changed, and dab goes on with those that it was started with")]
struct Restart;

impl Explain for Restart {
    fn code(&self) -> Code {
        Code("DAB0707")
    }

    fn place(&self) -> Option<Place> {
        None
    }

    fn help(&self) -> Option<String> {
        Some("start dab again; it goes on from the last commit".to_owned())
    }
}
