//! Who may ask, and what browsers may do with the answer.
//!
//! There is no login; only who changes rules has to bear a token (`token`). What keeps foreign pages in a browser out is this: a name of theirs that
//! was bound to our address (DNS rebinding) stands in `Host` and is refused, unless it is
//! configured; without that trick the browser keeps our answers from them, as we allow no other
//! origin, and what it tells us of their requests (`Sec-Fetch-Site`, else `Origin`) is enough to refuse
//! those.

use crate::{Problem, State};
use axum::{
    extract::{self, Request},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Scripts, styles, images and requests of the page come from here alone.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What every response carries.
const HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Lets a request pass that is addressed to this host, and that no foreign page has made.
pub(crate) async fn admit(
    extract::State(state): extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let Some(host) = host(request.uri(), request.headers()) else {
        let detail = "the request must have one Host header with a name or an address";
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    };
    if !is_this_host(host.host(), state.allowed_hosts()) {
        return misdirected(host.host()).into_response();
    }
    if is_foreign(&request, &host) {
        let detail = "a page of another site may not make requests here";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    next.run(request).await
}

/// Adds the headers that every response carries.
pub(crate) async fn protect(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the request is addressed to: the authority of its target, else its only `Host` (RFC 9112
/// section 3.2.2).
fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.to_str().ok()?.parse().ok()
}

/// Whether a name can only be meant for this host: no foreign DNS answers for it.
fn is_this_host(host: &str, allowed: &[String]) -> bool {
    let is_ipv6 = |host: &str| {
        let inside = host.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok()
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let mut names = ["localhost"]
        .into_iter()
        .chain(allowed.iter().map(|name| &**name));
    host.parse::<Ipv4Addr>().is_ok()
        || is_ipv6(host).is_some()
        || names.any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a page of another site makes this request, or one of another origin that says so. Following
/// a link is no such thing; sending a form is.
fn is_foreign(request: &Request, host: &Authority) -> bool {
    let headers = request.headers();
    let is = |name, value: &str| headers.get(name).is_some_and(|found| found == value);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let is_other = !origins.all(|origin| is_origin(origin, host));
    let follows_link = request.method().is_safe() && is("sec-fetch-mode", "navigate");
    (is("sec-fetch-site", "cross-site") || is_other) && !follows_link
}

/// Whether an origin (RFC 6454 section 7) is the one that a request is addressed to; `null` is none.
fn is_origin(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    let Some((origin, scheme)) = origin.and_then(|uri| {
        let scheme = uri.scheme_str()?.to_owned();
        Some((uri.authority()?.clone(), scheme))
    }) else {
        return false;
    };
    let port = |of: &Authority| {
        of.port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 })
    };
    origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host)
}

fn misdirected(host: &str) -> Problem {
    let detail = format!("this is not the host {host:?}");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
        .hint("use an IP address or localhost, or allow this name in the configuration")
}
