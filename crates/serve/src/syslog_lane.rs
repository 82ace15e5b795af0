//! Syslog from the network, on its way into the lake.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::Problem;
use collect::{
    PushLimits, PushQueue, SyslogForm, SyslogListener, SyslogSettings, SyslogTransport, Troubles,
};
use decode::{Decoder, Grammar, Layout};
use tokio::task::JoinSet;

use crate::{
    happening::Happening,
    lane::{Lane, Stages},
    push_lane,
};

/// How often troubles with senders are told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A listener for syslog.
#[derive(Debug, Clone)]
pub struct SyslogSpec {
    /// Its name.
    pub name: String,
    /// The log source that decodes its messages.
    pub log_source: String,
    /// Where and how it listens.
    pub settings: SyslogSettings,
}

/// Opens a listener, and takes in what comes until the pipeline stops.
pub(crate) async fn start(
    stages: &Arc<Stages>,
    decoders: &BTreeMap<String, Arc<Decoder>>,
    spec: SyslogSpec,
    tasks: &mut JoinSet<Result<(), Problem>>,
) -> Result<(), Problem> {
    let source = format!("syslog.{}", spec.name);
    let decoder = decoders.get(&spec.log_source).map(Arc::clone);
    let decoder = decoder
        .ok_or_else(|| crate::pipeline::unknown(decoders, source.clone(), &spec.log_source))?;
    let form = form_of(&decoder.log_source().format.layout);
    let transport = match &spec.settings.transport {
        SyslogTransport::Tcp => "tcp",
        SyslogTransport::Tls(_) => "tls",
        SyslogTransport::Udp => "udp",
    };
    let listener = SyslogListener::bind(spec.settings).await?;
    let (lane, _) = Lane::open(Arc::clone(stages), &source, decoder).await?;
    let address = listener.address();
    stages.observer.happened(&Happening::SyslogListening { name: &spec.name, transport, address });
    let queue = PushQueue::new(PushLimits::default());
    tasks.spawn(push_lane::run(lane, queue.clone()));
    let stages = Arc::clone(stages);
    tasks.spawn(async move {
        let troubles = listener.troubles();
        let (clock, stop) = (Arc::clone(&stages.clock), stages.stop.clone());
        let listening = listener.run(queue.clone(), form, clock, stop.watch());
        let telling = tell_always(&stages, &source, &troubles);
        tokio::select! {
            () = listening => {}
            () = telling => {}
        }
        queue.close();
        tell(&stages, &source, &troubles);
        Ok(())
    });
    Ok(())
}

/// How the log source reads messages.
fn form_of(layout: &Layout) -> SyslogForm {
    match layout {
        Layout::Text(text) if matches!(text.grammar, Grammar::Syslog(_)) => SyslogForm::Messages,
        layout if layout.is_text() => SyslogForm::Lines { is_by_line: layout.is_by_line() },
        _ => SyslogForm::Json,
    }
}

async fn tell_always(stages: &Stages, source: &str, troubles: &Troubles) {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        tell(stages, source, troubles);
    }
}

fn tell(stages: &Stages, source: &str, troubles: &Troubles) {
    for trouble in troubles.take() {
        let report = Problem::from(trouble).report();
        tracing::warn!(source, problem = %report, "a listener has a problem");
        stages.observer.happened(&Happening::Trouble { source, report: &report });
        stages.board.trouble(source, report);
    }
}
