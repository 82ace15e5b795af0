//! RSigma, told each event's log source by the routes that dab ships.
//!
//! Its engine takes one log source an event, where Windows events belong to several: Sysmon's 13 is
//! `registry_set` and `registry_event`. When it is measured it is given one, the first category
//! with the event's service, and so does less than dab does; when match sets are compared it is
//! asked once for each log source.

use std::{borrow::Cow, cell::RefCell, collections::HashMap, rc::Rc};

use dab_base::SigmaRoute;
use rsigma_eval::{Engine, Event, EventValue, JsonEvent};
use rsigma_parser::{LogSource, SigmaCollection, parse_sigma_yaml};
use serde_json::Value;

use crate::{
    Failure,
    lane::Lane,
    rules::RuleFile,
    side::{Depth, Side},
};

/// RSigma's engine with its defaults.
pub(crate) struct Rsigma {
    engine: Engine,
    router: Router,
}

/// The log source under which an event is evaluated, and the names its fields have there.
#[derive(Debug, Clone, Default)]
struct Way {
    log_source: LogSource,
    fields: HashMap<String, String>,
}

/// All ways of one kind of event, and the one that stands for them.
#[derive(Debug, Default)]
struct Ways {
    main: Way,
    all: Vec<Way>,
}

/// Finds an event's ways by the values of the fields that routes test; each combination of those is
/// worked out once.
struct Router {
    routes: Vec<SigmaRoute>,
    tested: Vec<String>,
    known: RefCell<(String, HashMap<String, Rc<Ways>>)>,
}

impl Side for Rsigma {
    type Event<'l> = Value;
    const HAS_EVENTS: bool = false;
    type Scratch = ();
    type Room = ();

    fn load(lane: &Lane, files: &[RuleFile]) -> Result<(Self, Vec<String>), Failure> {
        let (mut collection, mut refused) = (SigmaCollection::new(), Vec::new());
        let mut paths = Vec::new();
        for file in files {
            match parse_sigma_yaml(&file.text) {
                Ok(parsed) if !parsed.has_errors() => {
                    paths.extend(parsed.rules.iter().map(|_| file.path.clone()));
                    collection.rules.extend(parsed.rules);
                }
                _ => refused.push(file.path.clone()),
            }
        }
        let mut engine = Engine::new();
        let errors = engine.add_rules(&collection.rules);
        refused.extend(errors.into_iter().filter_map(|(index, _)| paths.get(index).cloned()));
        let router = Router::new(lane.source.sigma.clone());
        Ok((Self { engine, router }, refused))
    }

    fn rules(&self) -> usize {
        self.engine.rule_count()
    }

    fn parse<'l>(&'l self, line: &'l str, _depth: Depth, (): &'l mut ()) -> Option<Value> {
        serde_json::from_str(line).ok()
    }

    fn evaluate(&self, event: &Value, (): &mut ()) -> usize {
        let event = JsonEvent::borrow(event);
        let ways = self.router.ways(&event);
        self.through(&event, &ways.main).len()
    }

    fn matching(&self, event: &Value) -> Vec<String> {
        let event = JsonEvent::borrow(event);
        let ways = self.router.ways(&event);
        let mut found = Vec::new();
        for way in &ways.all {
            let results = self.through(&event, way).into_iter();
            found.extend(results.filter_map(|result| result.header.rule_id));
        }
        found.sort();
        found.dedup();
        found
    }
}

impl Rsigma {
    fn through(&self, event: &JsonEvent<'_>, way: &Way) -> Vec<rsigma_eval::EvaluationResult> {
        if way.fields.is_empty() {
            return self.engine.evaluate_with_logsource(event, &way.log_source);
        }
        let mapped = Mapped { event, fields: &way.fields };
        self.engine.evaluate_with_logsource(&mapped, &way.log_source)
    }
}

impl Router {
    fn new(routes: Vec<SigmaRoute>) -> Self {
        let mut tested: Vec<String> =
            routes.iter().flat_map(|route| route.when.keys().cloned()).collect();
        tested.sort();
        tested.dedup();
        Self { routes, tested, known: RefCell::default() }
    }

    fn ways(&self, event: &JsonEvent<'_>) -> Rc<Ways> {
        let (key, known) = &mut *self.known.borrow_mut();
        key.clear();
        for field in &self.tested {
            if let Some(value) = event.get_field(field) {
                key.push_str(&value.as_str().unwrap_or_default());
            }
            key.push('\0');
        }
        if let Some(ways) = known.get(key.as_str()) {
            return Rc::clone(ways);
        }
        let values: Vec<String> = key.split('\0').map(str::to_lowercase).collect();
        let ways = Rc::new(self.work_out(&values));
        known.insert(key.clone(), Rc::clone(&ways));
        ways
    }

    /// The ways of events whose tested fields have these values.
    fn work_out(&self, values: &[String]) -> Ways {
        let value = |field: &String| {
            let place = self.tested.iter().position(|tested| tested == field);
            place.and_then(|place| values.get(place)).map_or("", String::as_str)
        };
        let mut ways = Ways::default();
        for route in &self.routes {
            let holds = |(field, wanted): (&String, &Vec<String>)| {
                wanted.iter().any(|wanted| wanted.to_lowercase() == value(field))
            };
            if !route.when.iter().all(holds) {
                continue;
            }
            let log_source = LogSource {
                product: route.product.clone(),
                category: route.category.clone(),
                service: route.service.clone(),
                ..LogSource::default()
            };
            let fields: HashMap<String, String> = route.fields.clone().into_iter().collect();
            let main = &mut ways.main;
            if main.log_source.category.is_none() && route.category.is_some() {
                main.log_source.category.clone_from(&route.category);
                main.fields.clone_from(&fields);
            }
            if main.log_source.service.is_none() {
                main.log_source.service.clone_from(&route.service);
            }
            if main.log_source.product.is_none() {
                main.log_source.product.clone_from(&route.product);
            }
            ways.all.push(Way { log_source, fields });
        }
        ways
    }
}

/// An event whose fields have further names. RSigma's own view of this kind keeps the names from
/// its index of candidates, and so would find nothing.
struct Mapped<'e> {
    event: &'e JsonEvent<'e>,
    fields: &'e HashMap<String, String>,
}

impl Event for Mapped<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.event.get_field(self.fields.get(path).map_or(path, String::as_str))
    }

    fn any_string_value(&self, holds: &dyn Fn(&str) -> bool) -> bool {
        self.event.any_string_value(holds)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.event.all_string_values()
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        self.event.visit_string_values(visit);
    }

    fn to_json(&self) -> Value {
        self.event.to_json()
    }

    fn visit_top_level_keys(&self, visit: &mut dyn FnMut(&str)) -> bool {
        self.fields.keys().for_each(|name| visit(name));
        self.event.visit_top_level_keys(visit)
    }
}
