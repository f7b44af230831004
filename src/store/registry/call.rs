use std::io;

use super::challenge::challenges;
use super::fault::Fault;
use super::token::{Scheme, TokenRequest, credentials_sent, find};
use super::{Checked, Registry, realm};
use crate::net::credentials::{Credential, Found};
use crate::net::{
    Again, Http, HttpFault, Method, Origin, Request, RequestBody, Response, Secret, StatusCode, Step, Target, Tries, header::HeaderName,
    is_loopback, retried,
};

/// What a request is for, which decides the scope of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Pull,
    Push,
}

/// Makes the body of a request, again for each try.
pub(super) type MakeBody<'c> = dyn Fn() -> io::Result<RequestBody<'c>> + 'c;

/// A request to a registry.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) action: Action,
    /// The repository that a blob is mounted from: the token needs `pull` for it too (oras-project/rust-oci-client#235, for docker.io).
    pub(super) from: Option<&'c str>,
    pub(super) body: Option<&'c MakeBody<'c>>,
    /// Whether an answer sent the request on to here.
    redirected: bool,
}

impl<'c> Call<'c> {
    pub(super) fn new(method: Method, target: Target, action: Action) -> Self {
        Self { method, target, headers: Vec::new(), action, from: None, body: None, redirected: false }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: &'c MakeBody<'c>) -> Self {
        self.body = Some(body);
        self
    }

    /// Says that an answer sent the request on to its target.
    pub(super) fn redirected(mut self) -> Self {
        self.redirected = true;
        self
    }

    fn scopes(&self, repository: &str) -> Vec<String> {
        if repository.is_empty() {
            return Vec::new();
        }
        let actions = if self.action == Action::Push { "pull,push" } else { "pull" };
        let own = format!("repository:{repository}:{actions}");
        std::iter::once(own).chain(self.from.map(|from| format!("repository:{from}:pull"))).collect()
    }
}

impl Registry {
    /// Does a part of a step again while that may help.
    pub(super) fn retried<T>(&self, step: &Step, attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        retried(self.tries(step), attempt)
    }

    /// Starts counting the tries of a part of a step.
    pub(super) fn tries(&self, step: &Step) -> Tries {
        Tries::within(self.0.http.retry_policy(), step)
    }

    /// Sends a request once. A temporary failure is a fault, any other status an answer.
    pub(super) fn call(&self, registry: &str, repository: &str, call: &Call<'_>, step: &Step) -> Result<Response, Fault> {
        let response = self.authorized(registry, repository, call, step)?;
        if Again::after_status(response.status().as_u16()) == Again::Never { Ok(response) } else { Err(Fault::of(response)) }
    }

    /// Sends a request, and once more with fresh credentials when the registry asks for them, in whatever state it does so.
    ///
    /// Any other status is an answer; only 401 is not.
    fn authorized(&self, registry: &str, repository: &str, call: &Call<'_>, step: &Step) -> Result<Response, Fault> {
        let scopes = call.scopes(repository);
        let token_request = TokenRequest { registry, repository, scopes: &scopes, step };
        let mut target = call.target.clone();
        let mut tried = Tried { scheme: self.scheme(registry), ..Tried::default() };
        loop {
            tried.sent = match &tried.scheme {
                Some(scheme) if call.target.carries_credentials() => {
                    self.0.tokens.header(&self.0.http, &self.0.credentials, scheme, &token_request, tried.rejected.as_ref())?
                }
                _ => None,
            };
            let mut request = Request::new(call.method.clone(), target.clone()).within(step);
            if self.is_assumed(registry, &target) {
                request = request.as_trial();
            }
            request.headers.clone_from(&call.headers);
            request.authorization.clone_from(&tried.sent);
            if let Some(body) = call.body {
                request.body = body().map_err(HttpFault::Source)?;
            }
            let answer = self.0.http.send(request);
            let response = match self.corrected(registry, &target, answer, step) {
                Checked::Answer(answer) => answer?,
                Checked::Secure(secure) => {
                    target = secure;
                    continue;
                }
            };
            // A host that was reached by a redirect cannot ask for credentials.
            let own = Origin::of(response.target().url()) == Origin::of(target.url());
            if response.status() != StatusCode::UNAUTHORIZED || !own || !call.target.carries_credentials() {
                return Ok(response);
            }
            let found = find(&self.0.credentials, &token_request)?;
            let reach = BasicReach { redirected: call.redirected || response.target().url() != target.url(), target: &target };
            let Some(scheme) = tried.next(offered(&self.0.http, registry, &response)?, &found, reach) else {
                let mut fault = Fault::of(response);
                if let Fault::Status(answer) = &mut fault {
                    answer.credentials = Some(credentials_sent(&found));
                }
                return Err(fault);
            };
            self.remember(registry, scheme);
        }
    }
}

/// Returns the authentication scheme that an answer asks for; `None` when it names no known one.
fn offered(http: &Http, registry: &str, response: &Response) -> Result<Option<Scheme>, Fault> {
    let offered = challenges(&response.headers("www-authenticate"));
    let bearer = offered.iter().filter(|challenge| challenge.scheme == "bearer").find_map(|challenge| {
        challenge.parameters.get("realm").map(|realm| (realm, challenge.parameters.get("service").filter(|service| !service.is_empty())))
    });
    Ok(match bearer {
        Some((realm, service)) => {
            Some(Scheme::Bearer { realm: realm::target(http, registry, response, realm)?, service: service.cloned() })
        }
        None if offered.iter().any(|challenge| challenge.scheme == "basic") => Some(Scheme::Basic),
        None => None,
    })
}

/// What one request was tried with.
#[derive(Default)]
struct Tried {
    /// The scheme of the next try.
    scheme: Option<Scheme>,
    /// The token service that was asked last.
    bearer: Option<Scheme>,
    /// What was sent last.
    sent: Option<Secret>,
    /// The token that the registry refused last, which is not shown again.
    rejected: Option<Secret>,
    /// How many tokens were refused.
    tokens: usize,
    /// Whether a password was refused.
    basic: bool,
}

/// Where a password would go.
#[derive(Clone, Copy)]
struct BasicReach<'a> {
    /// Whether an answer sent us there.
    redirected: bool,
    target: &'a Target,
}

impl Tried {
    /// Returns the scheme to try next, after an answer that asks for `offered`; nothing when all that may help was tried.
    ///
    /// Each answer's own challenge counts: Harbor asks for Basic wherever a token has ended (goharbor/harbor#18856). A token is tried twice, as the
    /// first may have ended, and a password once.
    fn next(&mut self, offered: Option<Scheme>, found: &Found, reach: BasicReach<'_>) -> Option<Scheme> {
        let sent = self.sent.take();
        let by_token = sent.is_some() && matches!(self.scheme, Some(Scheme::Bearer { .. }));
        if by_token {
            self.tokens += 1;
            self.rejected.clone_from(&sent);
            self.bearer = self.scheme.take();
        } else if sent.is_some() {
            self.basic = true;
        }
        let next = match offered? {
            bearer @ Scheme::Bearer { .. } => Some(bearer).filter(|_| sent.is_none() || self.tokens < 2),
            Scheme::Basic if !self.basic && answers_basic(found, sent.is_none()) && reach.allows(by_token) => Some(Scheme::Basic),
            // Where no password can be shown, or it was refused, another token may still help.
            Scheme::Basic => self.bearer.clone().filter(|_| self.tokens < 2),
        };
        self.scheme.clone_from(&next);
        next
    }
}

impl BasicReach<'_> {
    /// Says whether a password may be shown there. To a registry that took tokens until now, it is shown over TLS or on this machine only, whatever
    /// hosts the user named as insecure: somebody in between could have asked for it.
    fn allows(self, instead_of_a_token: bool) -> bool {
        let url = self.target.url();
        let safe = url.scheme() == "https" || is_loopback(url.host_str().unwrap_or_default());
        !self.redirected && (safe || !instead_of_a_token)
    }
}

/// Says whether a credential answers a challenge for Basic: a password does, and a token of the registry's own does where nothing was sent yet.
fn answers_basic(found: &Found, is_first: bool) -> bool {
    match found.credential {
        Some((Credential::Password { .. }, _)) => true,
        Some((Credential::Bearer(_), _)) => is_first,
        Some((Credential::Identity(_), _)) | None => false,
    }
}
