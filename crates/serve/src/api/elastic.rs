//! Elasticsearch, as far as clients that store documents need it: `_bulk` and `_doc`, and the calls by
//! which shippers look whom they speak with and set up their indices. There are no indices here, and
//! nothing can be searched or changed: what is answered to those calls is that all is as wanted.
//!
//! As the REST API of Elasticsearch 8 has it, whose clients want the header `X-Elastic-Product`.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::Response,
    routing::{any, get, post, put},
};
use base::Report;
use collect::{PushError, bulk, bulk_document};
use serde_json::{Value, json};

use super::{
    Api, Protocol, Refusal,
    parcel::{Fate, Parcels},
    refusal, work,
};

/// The version that clients are told: they ask which calls they may use.
const VERSION: &str = "8.19.0";

pub(super) fn router() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(about))
        .route("/_bulk", post(bulk_all).put(bulk_all))
        .route("/{index}/_bulk", post(bulk_index).put(bulk_index))
        .route("/{index}/_doc", post(document))
        .route("/{index}/_doc/{id}", put(document_id).post(document_id))
        .route("/{index}/_create/{id}", put(document_id).post(document_id))
        .route("/_license", get(license))
        .route("/_xpack", get(xpack))
        .route("/_cluster/health", get(health))
        .route("/_cat/health", get(health))
        .route("/_index_template/{name}", any(setup))
        .route("/_component_template/{name}", any(setup))
        .route("/_template/{name}", any(setup))
        .route("/_ilm/policy/{name}", any(setup))
        .route("/_ingest/pipeline/{name}", any(setup))
        .route("/_data_stream/{name}", any(setup))
        .route("/{index}", any(setup))
}

fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = refusal::json(status, &body.to_string());
    let product = HeaderValue::from_static("Elasticsearch");
    response.headers_mut().insert("x-elastic-product", product);
    response
}

fn answer(answer: Result<Response, Refusal>) -> Response {
    answer.unwrap_or_else(|refusal| {
        refusal.answer(|status, report| {
            let error = error(status, report);
            json(status, &json!({"error": error, "status": status.as_u16()}))
        })
    })
}

/// A problem in Elasticsearch's form.
fn error(status: StatusCode, report: &Report) -> Value {
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "security_exception",
        StatusCode::NOT_FOUND => "index_not_found_exception",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "es_rejected_execution_exception"
        }
        _ => "illegal_argument_exception",
    };
    let reason = format!("{}: {}", report.code, report.message);
    json!({
        "type": kind,
        "reason": reason,
        "root_cause": [{"type": kind, "reason": reason}],
        "problem": report,
    })
}

/// Answers a call that asks, or sets up, something that dab does not need.
fn agree(api: &Api, headers: &HeaderMap, body: &Value) -> Response {
    answer(api.enter(headers).map(|_| json(StatusCode::OK, body)))
}

async fn about(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let body = json!({
        "name": "dab",
        "cluster_name": "dab",
        "cluster_uuid": "dab",
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "dab",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    });
    agree(&api, &headers, &body)
}

async fn license(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let license = json!({"status": "active", "uid": "dab", "type": "basic", "mode": "basic"});
    agree(&api, &headers, &json!({ "license": license }))
}

async fn xpack(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let license = json!({"uid": "dab", "type": "basic", "mode": "basic", "status": "active"});
    agree(&api, &headers, &json!({"license": license, "features": {}, "tagline": "dab"}))
}

async fn health(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let body = json!({
        "cluster_name": "dab",
        "status": "green",
        "timed_out": false,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
    });
    agree(&api, &headers, &body)
}

/// An index, a template, a policy: it is as the client wants it.
async fn setup(State(api): State<Arc<Api>>, method: Method, headers: HeaderMap) -> Response {
    match method {
        Method::GET => agree(&api, &headers, &json!({})),
        Method::HEAD | Method::PUT | Method::POST => {
            agree(&api, &headers, &json!({"acknowledged": true}))
        }
        _ => {
            let error =
                json!({"type": "illegal_argument_exception", "reason": "dab drops nothing"});
            json(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": error, "status": 405}))
        }
    }
}

async fn bulk_all(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Response {
    answer(accept(&api, None, &headers, body).await)
}

async fn bulk_index(
    State(api): State<Arc<Api>>,
    Path(index): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(accept(&api, Some(index), &headers, body).await)
}

/// What an item was, for its answer.
#[derive(Debug)]
struct Item {
    action: String,
    index: String,
    id: String,
    /// Its number among the documents; `None`: it is no action that adds one.
    document: Option<usize>,
}

async fn accept(
    api: &Arc<Api>,
    index: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let begun = api.clock.now();
    let (token, body) = api.receive(headers, body).await?;
    let packer = Arc::clone(api);
    let (items, parcels) = work(move || {
        let mut items = Vec::new();
        let mut documents = Vec::new();
        let request = packer.request_id();
        for (number, item) in bulk(&body, index.as_deref())?.into_iter().enumerate() {
            let id = item.id.unwrap_or_else(|| format!("{request}-{number}"));
            let document = item.document.is_some().then_some(documents.len());
            documents.extend(item.document);
            items.push(Item { action: item.action, index: item.index, id, document });
        }
        if items.is_empty() {
            return Err(PushError::NoData { protocol: "bulk request" }.into());
        }
        let parcels: Parcels = packer.pack(&token, Protocol::Elastic, &documents)?;
        Ok((items, parcels))
    })
    .await?;
    let fates = api.deliver(parcels).await?;
    let mut errors = false;
    let answers: Vec<Value> = items
        .iter()
        .map(|item| {
            let (status, told) = told(item, item.document.and_then(|number| fates.get(number)));
            errors |= status.is_client_error() || status.is_server_error();
            let mut answer =
                json!({"_index": item.index, "_id": item.id, "status": status.as_u16()});
            for (key, value) in told {
                refusal::say(&mut answer, key, value);
            }
            json!({ item.action.clone(): answer })
        })
        .collect();
    let took = (api.clock.now().as_micros() - begun.as_micros()) / 1000;
    let body = json!({"took": took, "errors": errors, "items": answers});
    Ok(json(StatusCode::OK, &body))
}

/// What became of an item, in Elasticsearch's words.
fn told(item: &Item, fate: Option<&Fate>) -> (StatusCode, Vec<(&'static str, Value)>) {
    let wrong = |status, kind: &str, reason: &str| {
        (status, vec![("error", json!({"type": kind, "reason": reason}))])
    };
    match fate {
        None => {
            let reason = format!("`{}`: dab changes and deletes no events", item.action);
            wrong(StatusCode::BAD_REQUEST, "illegal_argument_exception", &reason)
        }
        Some(Fate::Stored) => {
            let shards = json!({"total": 1, "successful": 1, "failed": 0});
            let told = vec![
                ("result", "created".into()),
                ("_version", 1.into()),
                ("_seq_no", 0.into()),
                ("_primary_term", 1.into()),
                ("_shards", shards),
            ];
            (StatusCode::CREATED, told)
        }
        Some(Fate::Quarantined(report)) => {
            let reason = format!("in the quarantine: {}: {}", report.code, report.message);
            wrong(StatusCode::BAD_REQUEST, "document_parsing_exception", &reason)
        }
        Some(Fate::Busy) => {
            let reason = "too many requests wait for a commit";
            wrong(StatusCode::TOO_MANY_REQUESTS, "es_rejected_execution_exception", reason)
        }
        Some(Fate::Failed(report)) => {
            let reason = format!("{}: {}", report.code, report.message);
            wrong(StatusCode::SERVICE_UNAVAILABLE, "unavailable_shards_exception", &reason)
        }
    }
}

async fn document(
    State(api): State<Arc<Api>>,
    Path(index): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(one(&api, index, None, &headers, body).await)
}

async fn document_id(
    State(api): State<Arc<Api>>,
    Path((index, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(one(&api, index, Some(id), &headers, body).await)
}

/// A single document.
async fn one(
    api: &Arc<Api>,
    index: String,
    id: Option<String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (token, body) = api.receive(headers, body).await?;
    let (packer, its_index, its_id) = (Arc::clone(api), index.clone(), id.clone());
    let parcels = work(move || {
        let protocol = "Elasticsearch document";
        let text = std::str::from_utf8(&body).map_err(|error| {
            let reason = error.to_string();
            Refusal::Push(PushError::Malformed { protocol, reason, record: 0 })
        })?;
        let document = bulk_document(text.trim(), &its_index, its_id.as_deref());
        packer.pack(&token, Protocol::Elastic, &[document])
    })
    .await?;
    let fates = api.deliver(parcels).await?;
    let id = id.unwrap_or_else(|| api.request_id());
    let item = Item { action: "index".to_owned(), index, id, document: Some(0) };
    let (status, told) = told(&item, fates.first());
    let mut answer = json!({"_index": item.index, "_id": item.id});
    for (key, value) in told {
        refusal::say(&mut answer, key, value);
    }
    Ok(json(status, &answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_told_what_became_of_it() {
        let item = |action: &str| Item {
            action: action.to_owned(),
            index: "i".to_owned(),
            id: "1".to_owned(),
            document: None,
        };
        let report = Report {
            code: "DAB0310".to_owned(),
            message: "no JSON".to_owned(),
            place: None,
            causes: Vec::new(),
            help: None,
        };
        for (action, fate, status, kind) in [
            ("index", Some(Fate::Stored), 201, Value::Null),
            ("delete", None, 400, "illegal_argument_exception".into()),
            ("index", Some(Fate::Busy), 429, "es_rejected_execution_exception".into()),
            (
                "create",
                Some(Fate::Quarantined(report.clone())),
                400,
                "document_parsing_exception".into(),
            ),
            ("create", Some(Fate::Failed(report)), 503, "unavailable_shards_exception".into()),
        ] {
            let (found, told) = told(&item(action), fate.as_ref());
            let found_kind = told.iter().find(|(key, _)| *key == "error");
            let found_kind = found_kind.map_or(Value::Null, |(_, error)| error["type"].clone());
            assert_eq!((found.as_u16(), found_kind), (status, kind), "{fate:?}");
        }
    }
}
