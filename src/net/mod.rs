//! HTTP: limits, timeouts, retries, proxies, credentials, and which redirects are followed.
//!
//! Everything above this room is synchronous; [`Http`] keeps one small runtime inside and blocks its callers, who may be many threads.
//!
//! **Invariants.** Credentials are bound to scheme, host and port, and after a redirect to another origin they are never sent again. No redirect
//! leads from HTTPS to HTTP, or to an address that is closer to this machine than the server itself ([`Response::hop`]). Requests without TLS
//! go to this machine and to hosts that the user named, or carry no credentials and ask for signed content. Every body has a limit or is
//! streamed. Time spent waiting is counted over a whole [`Step`]; a transfer that goes on may last as long as it needs. Nothing secret and no control character reaches a message.

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
mod step;
mod target;
mod wait;

pub use engine::EngineApi;
pub use fault::{Again, HttpFault, Peer, TlsProblem};
pub use http::Http;
pub use origin::{Nearness, Origin, is_loopback, literal, split_port};
pub use request::{Request, RequestBody};
pub use reqwest::{Method, StatusCode, Url, header};
pub use response::{Body, Response};
pub(crate) use retry::jitter;
pub use retry::{GivenUp, Retry, RetryPolicy, Tries, retried, retry_after};
pub use secret::Secret;
pub use settings::{Network, Settings, Timeouts};
pub use step::Step;
pub use target::Target;
pub use wait::{Wait, WaitListener};
