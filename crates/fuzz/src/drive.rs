//! Running a target on many inputs, on all cores.
//!
//! Panics are caught and the run goes on; an input that takes too long or too much memory is told of and ends
//! it, because a thread can't be stopped. What kills the process (a stack that overflows) is found by whoever
//! started it: any range of numbers can be run again by itself.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Caught, Mutator, Target, run_caught, shrink};

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The target.
    pub target: Target,
    /// What inputs are made from, with their numbers.
    pub seed: u64,
    /// The first number.
    pub from: u64,
    /// The number after the last.
    pub to: u64,
    /// How many at once.
    pub threads: usize,
    /// After this time no further inputs are begun.
    pub time_max: Duration,
    /// An input that takes longer is a finding.
    pub slow: Duration,
    /// A process that takes more is a finding. Looked at on Linux only.
    pub memory_bytes_max: u64,
}

/// What a run says while it goes on.
#[derive(Debug)]
pub enum Said {
    /// So many inputs are done.
    Progress(u64),
    /// Something is wrong.
    Finding {
        /// `panic`, `slow` or `memory`.
        kind: &'static str,
        /// Of the input.
        number: u64,
        /// Where and what.
        caught: Caught,
        /// The input, as small as it could be made.
        input: Vec<u8>,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// How many inputs were run.
    pub inputs: u64,
    /// How many of them panicked.
    pub panics: u64,
    /// Where, and how often.
    pub places: BTreeMap<String, u64>,
    /// The longest time that an input took, and its number.
    pub longest: (Duration, u64),
    /// Whether it ended before all inputs were run.
    pub is_cut_short: bool,
}

/// After so many places the rest is of the same kind, mostly.
const PLACES_MAX: usize = 20;
/// Between two looks at how it goes.
const LOOK: Duration = Duration::from_millis(200);
/// So many numbers a thread takes at once.
const NUMBERS_AT_ONCE: u64 = 64;

/// What the threads share.
struct Shared {
    mutator: Mutator,
    plan: Plan,
    begun: Instant,
    next: AtomicU64,
    done: AtomicU64,
    is_over: AtomicBool,
    /// For each thread: the number it runs, and since when, in milliseconds; 0 while it runs none.
    running: Vec<(AtomicU64, AtomicU64)>,
}

/// What a thread tells.
enum Told {
    Panicked(u64, Caught),
    /// The longest time, and its number.
    Ended(Duration, u64),
}

/// Runs the plan, and says what is found.
///
/// # Errors
///
/// Fails if a thread can't be started.
pub fn drive(plan: Plan, mutator: Mutator, say: &mut dyn FnMut(Said)) -> io::Result<Findings> {
    let threads = plan.threads.max(1);
    let shared = Arc::new(Shared {
        mutator,
        plan,
        begun: now(),
        next: AtomicU64::new(plan.from),
        done: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        running: (0..threads).map(|_| (AtomicU64::new(0), AtomicU64::new(0))).collect(),
    });
    let (tell, told) = mpsc::channel();
    for thread in 0..threads {
        let (shared, tell) = (Arc::clone(&shared), tell.clone());
        thread::Builder::new()
            .name(format!("fuzz {thread}"))
            .spawn(move || shared.work(thread, &tell))?;
    }
    drop(tell);

    let mut findings = Findings {
        inputs: 0,
        panics: 0,
        places: BTreeMap::new(),
        longest: (Duration::ZERO, 0),
        is_cut_short: false,
    };
    loop {
        match told.recv_timeout(LOOK) {
            Ok(Told::Panicked(number, caught)) => findings.panicked(&shared, number, caught, say),
            Ok(Told::Ended(longest, number)) => {
                findings.longest = findings.longest.max((longest, number))
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                say(Said::Progress(shared.done.load(Ordering::Relaxed)));
                if let Some(finding) = shared.look() {
                    say(finding);
                    findings.is_cut_short = true;
                    break;
                }
            }
        }
    }
    findings.inputs = shared.done.load(Ordering::Relaxed);
    findings.is_cut_short |= shared.is_over.load(Ordering::Relaxed);
    Ok(findings)
}

impl Findings {
    fn panicked(
        &mut self,
        shared: &Shared,
        number: u64,
        caught: Caught,
        say: &mut dyn FnMut(Said),
    ) {
        self.panics += 1;
        let times = self.places.entry(caught.place.clone()).or_default();
        *times += 1;
        if *times > 1 {
            return;
        }
        if self.places.len() >= PLACES_MAX {
            shared.is_over.store(true, Ordering::Relaxed);
        }
        let run = shared.plan.target.run;
        let is_found =
            |input: &[u8]| run_caught(run, input).is_err_and(|other| other.place == caught.place);
        let input = shrink(&shared.input(number), &is_found);
        let caught = run_caught(run, &input).err().unwrap_or(caught);
        say(Said::Finding { kind: "panic", number, caught, input });
    }
}

impl Shared {
    fn input(&self, number: u64) -> Vec<u8> {
        self.mutator.input(self.plan.seed, number)
    }

    /// One thread's share.
    fn work(&self, thread: usize, tell: &Sender<Told>) {
        let mut longest = (Duration::ZERO, 0);
        while !self.is_over.load(Ordering::Relaxed) {
            let from = self.next.fetch_add(NUMBERS_AT_ONCE, Ordering::Relaxed);
            if from >= self.plan.to || now().duration_since(self.begun) >= self.plan.time_max {
                break;
            }
            for number in from..self.plan.to.min(from + NUMBERS_AT_ONCE) {
                let input = self.input(number);
                let started = self.starts(thread, number);
                let outcome = run_caught(self.plan.target.run, &input);
                longest = longest.max((self.ends(thread, started), number));
                self.done.fetch_add(1, Ordering::Relaxed);
                if let Err(caught) = outcome
                    && tell.send(Told::Panicked(number, caught)).is_err()
                {
                    return;
                }
            }
        }
        if tell.send(Told::Ended(longest.0, longest.1)).is_err() {
            // Nobody listens any more.
        }
    }

    fn starts(&self, thread: usize, number: u64) -> Instant {
        let started = now();
        if let Some((running, since)) = self.running.get(thread) {
            running.store(number, Ordering::Relaxed);
            since.store(self.milliseconds(started).max(1), Ordering::Release);
        }
        started
    }

    fn ends(&self, thread: usize, started: Instant) -> Duration {
        if let Some((_, since)) = self.running.get(thread) {
            since.store(0, Ordering::Release);
        }
        now().duration_since(started)
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks for what takes too long or too much memory.
    fn look(&self) -> Option<Said> {
        let now = self.milliseconds(now());
        let running = self.running.iter().filter_map(|(number, since)| {
            let since = since.load(Ordering::Acquire);
            (since > 0).then(|| (now.saturating_sub(since), number.load(Ordering::Relaxed)))
        });
        let (milliseconds, number) = running.max()?;
        let (kind, message) = match resident_bytes() {
            Some(bytes) if bytes > self.plan.memory_bytes_max => {
                ("memory", format!("{bytes} bytes"))
            }
            _ if u128::from(milliseconds) > self.plan.slow.as_millis() => {
                ("slow", format!("more than {milliseconds} ms"))
            }
            _ => return None,
        };
        let caught = Caught { place: String::new(), message };
        Some(Said::Finding { kind, number, caught, input: self.input(number) })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "measures how long inputs take; nothing under test sees it"
)]
fn now() -> Instant {
    Instant::now()
}

/// What the process has in memory.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        target: Target { name: "t", run: |_| {}, tokens: &["needle"] },
        seed: 1,
        from: 0,
        to: 3000,
        threads: 2,
        time_max: Duration::MAX,
        slow: Duration::from_secs(60),
        memory_bytes_max: u64::MAX,
    };

    /// A finding: kind, panic, input.
    type Found = (&'static str, Caught, Vec<u8>);

    fn run(plan: Plan) -> (Findings, Vec<Found>) {
        let mutator = Mutator::new(&plan.target, vec![b"some hay, some straw".to_vec()]);
        let mut found = Vec::new();
        let findings = drive(plan, mutator, &mut |said| {
            if let Said::Finding { kind, caught, input, .. } = said {
                found.push((kind, caught, input));
            }
        });
        (findings.unwrap(), found)
    }

    #[test]
    fn finds_a_panic_once_and_makes_it_small() {
        let run_one =
            |input: &[u8]| assert!(!input.windows(6).any(|part| part == b"needle"), "pricked");
        let plan = Plan { target: Target { run: run_one, ..PLAN.target }, ..PLAN };
        let (findings, found) = run(plan);
        assert_eq!((findings.inputs, findings.is_cut_short), (3000, false));
        assert!(findings.panics > 10, "{findings:?}");
        let [(kind, caught, input)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((*kind, input.as_slice()), ("panic", b"needle".as_slice()));
        assert!(
            caught.message.contains("pricked") && caught.place.contains("drive.rs"),
            "{caught:?}"
        );
        assert_eq!(findings, run(plan).0.with_longest(findings.longest), "the same again");
    }

    impl Findings {
        fn with_longest(self, longest: (Duration, u64)) -> Self {
            Self { longest, ..self }
        }
    }

    #[test]
    fn finds_what_does_not_end() {
        fn forever(input: &[u8]) {
            while input.windows(6).any(|part| part == b"needle") {
                std::thread::park();
            }
        }
        let plan =
            Plan { target: Target { run: forever, ..PLAN.target }, slow: Duration::ZERO, ..PLAN };
        let (findings, found) = run(plan);
        assert!(findings.is_cut_short);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "slow");
    }

    #[test]
    fn begins_nothing_when_the_time_is_over() {
        let (findings, found) = run(Plan { time_max: Duration::ZERO, ..PLAN });
        assert_eq!((findings.inputs, findings.is_cut_short, found.len()), (0, false, 0));
    }

    #[test]
    fn finds_what_takes_memory() {
        fn forever(_: &[u8]) {
            loop {
                std::thread::park();
            }
        }
        let plan =
            Plan { target: Target { run: forever, ..PLAN.target }, memory_bytes_max: 1, ..PLAN };
        let (findings, found) = run(plan);
        assert!(findings.is_cut_short);
        assert_eq!(found[0].0, if cfg!(target_os = "linux") { "memory" } else { "slow" });
    }
}
