//! HTTP: limits, patience, retries, proxies, credentials, and what may be followed where.
//!
//! Everything above this room is synchronous; [`Http`] keeps one small runtime inside and blocks its callers, who may be many threads.
//!
//! **Invariants.** Credentials are bound to scheme, host and port, and after a hop to another origin they never come back. From HTTPS
//! nothing goes on to HTTP. No server sends us nearer to this machine than it is itself ([`Response::hop`]). Without TLS only
//! this machine and the hosts that the user named are asked. Every body has a limit or is streamed; no transfer has a total time limit,
//! and each ends when nothing moves. Nothing secret and no control character reaches a message.

mod client;
pub mod credentials;
mod engine;
mod exchange;
mod fault;
mod http;
mod origin;
mod proxy;
pub mod redact;
mod redirect;
mod request;
mod response;
mod retry;
mod secret;
mod secrets_sent;
mod send;
mod settings;
mod target;

pub use engine::EngineApi;
pub use fault::{Again, HttpFault, Peer, TlsProblem};
pub use http::Http;
pub use origin::{Nearness, Origin, is_loopback, literal, split_port};
pub use request::{Request, RequestBody};
pub use reqwest::{Method, StatusCode, Url, header};
pub use response::{Body, Response};
pub use retry::{Retry, RetryPolicy, Tries, retried, retry_after};
pub use secret::Secret;
pub use settings::{Network, Patience, Settings};
pub use target::Target;
