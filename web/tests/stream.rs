//! The stream of ticks.

#![expect(clippy::unwrap_used, reason = "a failure shall say where it is")]

mod common;

use axum::{body::Body, http::StatusCode};
use common::{Server, meter, request};
use http_body_util::BodyExt;
use netweir_web::{Settings, Streams, serve};
use serde_json::{Value, json};
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// The next event as text; none at the end.
async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    let bytes = frame.into_data().unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

fn tick(event: &str) -> Value {
    let data = event.strip_prefix("event: tick\ndata: ").unwrap();
    serde_json::from_str(data).unwrap()
}

#[tokio::test]
async fn an_event_comes_after_a_tick() {
    let server = Server::of(meter());
    server.ticker.tick();
    let response = server
        .open(request("GET", "/api/stream?limit=1&interface=eth0"))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    server.ticker.tick();
    let event = tick(&next(&mut body).await.unwrap());
    let keys: Vec<_> = event.as_object().unwrap().keys().collect();
    let expected = [
        "accounting",
        "flows",
        "interfaces",
        "labels",
        "realtime",
        "summary",
        "tick",
    ];
    assert_eq!(keys, expected);
    assert_eq!(event["tick"], 2);
    for (part, path) in [
        ("realtime", "/api/metrics/realtime?interface=eth0"),
        ("summary", "/api/stats/summary?interface=eth0"),
    ] {
        assert_eq!(event[part], server.get(path).await.json());
    }
    for (part, path) in [
        ("flows", "/api/flows?limit=1&interface=eth0"),
        ("interfaces", "/api/interfaces"),
    ] {
        assert_eq!(event[part], server.get(path).await.json()[part]);
    }
    assert_eq!(
        event["accounting"]["seen"],
        json!({ "packets": 17, "bytes": 1642 })
    );
}

#[tokio::test]
async fn a_slow_client_passes_over_ticks() {
    let server = Server::of(meter());
    let mut body = server.open(request("GET", "/api/stream")).await.into_body();
    for _ in 0..5 {
        server.ticker.tick();
    }
    assert_eq!(tick(&next(&mut body).await.unwrap())["tick"], 5);
    server.ticker.tick();
    assert_eq!(tick(&next(&mut body).await.unwrap())["tick"], 6);
}

#[tokio::test]
async fn a_stream_ends_with_its_ticker() {
    let Server {
        router,
        state,
        ticker,
        meter,
    } = Server::of(meter());
    let (spare, _) = netweir_web::ticker(std::time::Duration::from_secs(1));
    let server = Server {
        router,
        state,
        ticker: spare,
        meter,
    };
    let mut body = server.open(request("GET", "/api/stream")).await.into_body();
    drop(ticker);
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test]
async fn there_are_no_more_streams_than_places() {
    let settings = Settings {
        max_streams: 2,
        ..Settings::default()
    };
    let server = Server::with(meter(), settings);
    let streams = |open, refused| Streams {
        open,
        max: 2,
        refused,
    };
    let first = server.open(request("GET", "/api/stream")).await;
    let second = server.open(request("GET", "/api/stream")).await;
    let third = server.get("/api/stream").await;
    assert_eq!(third.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(third.json()["detail"], "all 2 streams are taken");
    assert_eq!(server.state.streams(), streams(2, 1));
    drop(first);
    assert_eq!(server.state.streams(), streams(1, 1));
    let fourth = server.open(request("GET", "/api/stream")).await;
    assert_eq!(fourth.status(), StatusCode::OK);
    drop((second, fourth));
    assert_eq!(server.state.streams(), streams(0, 1));
}

#[tokio::test]
async fn a_stream_has_fewer_flows_than_a_list() {
    let answer = Server::of(meter()).get("/api/stream?limit=1001").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let detail = "limit \"1001\" is not a number from 0 to 1000";
    assert_eq!(answer.json()["detail"], detail);
}

/// A client with an open stream, over a socket.
async fn client(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(address).await?;
    let request = b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.write_all(request).await?;
    let mut head = [0; 15];
    client.read_exact(&mut head).await?;
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    Ok(client)
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_its_place() {
    let server = Server::of(meter());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { ended.await.unwrap_or_default() };
    let serving = tokio::spawn(serve(listener, server.state.clone(), shutdown));
    let client = client(address).await.unwrap();
    assert_eq!(server.state.streams().open, 1);
    drop(client);
    while server.state.streams().open > 0 {
        tokio::task::yield_now().await;
    }
    end.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_without_end_does_not_hold_up_the_end() {
    let server = Server::of(meter());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { ended.await.unwrap_or_default() };
    let serving = tokio::spawn(serve(listener, server.state.clone(), shutdown));
    end.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_end_at_shutdown() {
    let server = Server::of(meter());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async { ended.await.unwrap_or_default() };
    let serving = tokio::spawn(serve(listener, server.state.clone(), shutdown));
    let mut client = client(address).await.unwrap();
    server.ticker.tick();
    end.send(()).unwrap();
    serving.await.unwrap().unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "the response ends as it should"
    );
    // One that comes too late has no event.
    let mut late = server.open(request("GET", "/api/stream")).await.into_body();
    assert_eq!(next(&mut late).await, None);
}
