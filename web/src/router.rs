//! Which path leads where.

use crate::{Problem, State, api, guard, json::Json, ui};
use axum::{
    Router,
    http::{StatusCode, Uri},
    middleware,
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

/// What the document says of the whole; the rest comes from the paths.
#[derive(OpenApi)]
#[openapi(info(
    title = "Netweir",
    description = "What crosses the network interfaces of this host. Counts are since the start, \
                   rates over the last tick. Bytes are those of whole link-layer frames without \
                   checksum. Errors are problems of RFC 9457. Rules are changed by who bears the token."
), modifiers(&Bearer))]
struct Document;

/// How the token is borne.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
    }
}

/// Every path, the page's included.
pub fn router(state: State) -> Router {
    let (api, _) = described().split_for_parts();
    let document = Json(openapi());
    api.route("/api/openapi.json", get(|| async move { document }))
        .merge(ui::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), guard::admit))
        .layer(middleware::map_response(guard::protect))
        .with_state(state)
}

/// The OpenAPI document, made from the code.
pub fn openapi() -> String {
    let (_, document) = described().split_for_parts();
    // A document of derived schemas always has a JSON form.
    document.to_pretty_json().unwrap_or_default()
}

fn described() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(Document::openapi()).merge(api::router())
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail).hint("/api/openapi.json lists every path")
}

async fn method_not_allowed(uri: Uri) -> Problem {
    if uri.path().starts_with("/api/rules") {
        let detail = "this path takes other methods: the header Allow has them";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
    }
    let detail = "this path is only read: the method must be GET or HEAD";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
