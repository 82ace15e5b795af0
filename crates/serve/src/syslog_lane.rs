//! Syslog from the network, on its way into the lake.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::Problem;
use collect::{
    PushLimits, PushQueue, Sorter, SyslogForm, SyslogListener, SyslogSettings, SyslogTransport,
    Troubles,
};
use decode::{Decoder, Grammar, Layout};
use futures::FutureExt as _;

use crate::{
    claims,
    happening::Happening,
    lane::{Lane, Stages},
    pipeline::Task,
    push_lane,
    sorting::{Outlet, Sorting, SortingRoute, numbered},
};

/// How often troubles with senders are told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A listener for syslog.
#[derive(Debug, Clone)]
pub struct SyslogSpec {
    /// Its name.
    pub name: String,
    /// The log source that decodes its messages, or those that no route is for.
    pub log_source: String,
    /// Which messages are for other log sources.
    pub routes: Vec<Arc<SortingRoute>>,
    /// Where and how it listens.
    pub settings: SyslogSettings,
}

/// Opens a listener, and takes in what comes until the pipeline stops.
pub(crate) async fn start(
    stages: &Arc<Stages>,
    decoders: &BTreeMap<String, Arc<Decoder>>,
    spec: SyslogSpec,
    tasks: &mut Vec<Task>,
) -> Result<(), Problem> {
    let source = format!("syslog.{}", spec.name);
    let transport = match &spec.settings.transport {
        SyslogTransport::Tcp => "tcp",
        SyslogTransport::Tls(_) => "tls",
        SyslogTransport::Udp => "udp",
    };
    let listener = SyslogListener::bind(spec.settings.clone()).await?;
    let address = listener.address();
    stages.observer.happened(&Happening::SyslogListening { name: &spec.name, transport, address });
    let ends = listener.certificate_ends();
    let Opened { sorter, form, queues } = open(stages, decoders, &spec, &source, tasks).await?;
    let source = claims::of_writer(&source, stages.writer.as_deref());
    stages.board.source(&source, |status| status.credential_ends = ends);
    let stages = Arc::clone(stages);
    let listen = async move {
        let troubles = listener.troubles();
        let (clock, stop) = (Arc::clone(&stages.clock), stages.stop.clone());
        let listening = listener.run(sorter, form, clock, stop.watch());
        let telling = tell_always(&stages, &source, &troubles);
        tokio::select! {
            () = listening => {}
            () = telling => {}
        }
        for queue in queues {
            queue.close();
        }
        tell(&stages, &source, &troubles);
        Ok(())
    };
    tasks.push(listen.boxed());
    Ok(())
}

/// Where the messages of a listener go.
struct Opened {
    sorter: Arc<dyn Sorter>,
    form: SyslogForm,
    queues: Vec<PushQueue>,
}

/// Opens the lanes of a listener: one, or one for each log source that its routes name.
async fn open(
    stages: &Arc<Stages>,
    decoders: &BTreeMap<String, Arc<Decoder>>,
    spec: &SyslogSpec,
    source: &str,
    tasks: &mut Vec<Task>,
) -> Result<Opened, Problem> {
    let (names, routes) = numbered(&spec.routes, &spec.log_source);
    let mut outlets = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let decoder = decoders.get(name).map(Arc::clone);
        let decoder =
            decoder.ok_or_else(|| crate::pipeline::unknown(decoders, source.to_owned(), name))?;
        let form = form_of(&decoder.log_source().format.layout);
        // What no route is for keeps the listener's own name, whatever routes there are.
        let is_last = number + 1 == names.len();
        let lane = if is_last { source.to_owned() } else { format!("{source}.{name}") };
        let lane = claims::of_writer(&lane, stages.writer.as_deref());
        let (lane, _) = Lane::open(Arc::clone(stages), &lane, decoder).await?;
        let queue = PushQueue::new(PushLimits::default());
        tasks.push(push_lane::run(lane, queue.clone()).boxed());
        outlets.push(Outlet { queue, form });
    }
    let queues: Vec<PushQueue> = outlets.iter().map(|outlet| outlet.queue.clone()).collect();
    if let ([outlet], true) = (outlets.as_slice(), routes.is_empty()) {
        let (sorter, form) = (Arc::new(outlet.queue.clone()), outlet.form);
        return Ok(Opened { sorter, form, queues });
    }
    let sorter = Arc::new(Sorting::new(routes, outlets)?);
    Ok(Opened { sorter, form: SyslogForm::Messages, queues })
}

/// How the log source reads messages.
pub(crate) fn form_of(layout: &Layout) -> SyslogForm {
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
