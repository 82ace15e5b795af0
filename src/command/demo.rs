//! `dab demo`: a made-up company, a made-up attack, and the real pipeline.
//!
//! Everything is as it would be at home: a project in a folder, log files that grow, files that are
//! dropped, events that are posted, all on this machine alone.

mod play;
mod project;
mod show;

use std::{path::PathBuf, sync::Arc, time::Duration};

use base::{Clock as _, Problem, SystemClock};
use testkit::Scenario;

use crate::{
    host::process::{Host, color, stop_on_signal},
    output::{self, Output},
};
use show::Watch;

/// How much of the company's day is played: ten minutes, up to now.
const STORY: Duration = Duration::from_secs(600);
/// How long the play takes.
const PLAY: Duration = Duration::from_secs(12);
/// Ordinary events in each second of the story.
const EVENTS_PER_SECOND: f64 = 25.0;
/// The same logs every time.
const SEED: u64 = 20_261_124;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ends when the attack is over; otherwise the pipeline stays up until Ctrl-C.
    #[arg(long)]
    once: bool,

    /// Where the demo's project is made. One that is there from before is made anew.
    #[arg(long, default_value = "dab-demo", value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) async fn run(args: &Args, output: Output) -> Result<u8, Problem> {
    let project = project::make(&args.folder)?;
    let say = |text: &str| {
        if output == Output::Table {
            output::error_line(text);
        }
    };
    say(&format!(
        "dab demo: a project in `{}`, with {} detections and 5 log sources",
        args.folder.display(),
        testkit::shipped_detections().len()
    ));
    let host = Host::open(&project.config)?;
    let rules = host.project();
    let watch = Arc::new(Watch::new(output, color()));
    let watched = Arc::clone(&watch);
    let observer: Arc<dyn serve::Observer> = watched;
    let parts = host.parts(&rules, observer)?;
    let (switch, mut stop) = serve::stop_signal();
    let signals = tokio::spawn(stop_on_signal(switch.clone()));
    let pipeline = tokio::spawn(serve::run(parts, switch.clone(), stop.clone()));
    let address = watch.listening(&mut stop).await;
    let mut played = play::Played::default();
    if let Some(address) = address {
        say("playing ten minutes of Larkspur Robotics' logs, in which somebody breaks in …\n");
        let start = SystemClock.now().minus(STORY);
        let scenario = Scenario::new(SEED, start, STORY, EVENTS_PER_SECOND);
        let ending = stop.clone();
        played = play::play(scenario, start, &project, address, &watch, ending).await?;
        watch.wait_for(played.records, &mut stop).await;
    }
    let interrupted = stop.is_stopped();
    if !interrupted {
        show::summary(&host, &project.config, &played, &watch, output).await?;
    }
    if !args.once && !interrupted {
        say("\nThe pipeline is still up, and so is its project: try the searches from another \
             terminal. Ctrl-C ends it.");
        stop.stopped().await;
    }
    switch.stop();
    let ended = pipeline.await;
    signals.abort();
    ended.map_err(|error| serve::ServeError::Task {
        task: "pipeline".into(),
        reason: error.to_string(),
    })??;
    Ok(crate::FINE)
}
