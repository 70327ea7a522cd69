//! Whether the program lives.

mod common;

use axum::http::StatusCode;
use common::{Server, empty_meter};
use serde_json::json;
use std::time::Duration;

async fn expect(server: &Server, code: StatusCode, status: &str, uptime_seconds: u64) {
    let answer = server.get("/health").await;
    assert_eq!(answer.status, code);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        answer.json(),
        json!({ "status": status, "version": version, "uptime_seconds": uptime_seconds })
    );
}

#[tokio::test(start_paused = true)]
async fn three_intervals_without_a_tick_are_stale() {
    let server = Server::of(empty_meter());
    tokio::time::advance(Duration::from_millis(2999)).await;
    expect(&server, StatusCode::OK, "ok", 2).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    expect(&server, StatusCode::SERVICE_UNAVAILABLE, "stale", 3).await;
    server.ticker.tick();
    expect(&server, StatusCode::OK, "ok", 3).await;
}

#[tokio::test]
async fn nobody_who_ticks_is_stale() {
    let server = Server::of(empty_meter());
    let Server {
        ticker,
        router,
        state,
        meter,
    } = server;
    drop(ticker);
    let (spare, _) = netweir_web::ticker(Duration::from_secs(1));
    let server = Server {
        ticker: spare,
        router,
        state,
        meter,
    };
    expect(&server, StatusCode::SERVICE_UNAVAILABLE, "stale", 0).await;
}

#[tokio::test]
async fn a_meter_whose_keeper_panicked_is_still_read() {
    let server = Server::of(empty_meter());
    let meter = server.meter.clone();
    let keeper = std::thread::spawn(move || {
        let _guard = meter.write().unwrap();
        panic!("on purpose: the meter is poisoned");
    });
    assert!(keeper.join().is_err());
    assert_eq!(server.get("/api/flows").await.status, StatusCode::OK);
}
