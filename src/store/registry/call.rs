use std::io;

use super::challenge::challenges;
use super::fault::Fault;
use super::token::{Scheme, TokenRequest, credentials_sent, find};
use super::{Registry, realm};
use crate::net::{
    Again, HttpFault, Method, Origin, Request, RequestBody, Response, Secret, StatusCode, Target, header::HeaderName, retried,
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
}

impl<'c> Call<'c> {
    pub(super) fn new(method: Method, target: Target, action: Action) -> Self {
        Self { method, target, headers: Vec::new(), action, from: None, body: None }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: &'c MakeBody<'c>) -> Self {
        self.body = Some(body);
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
    /// Does a step again while that may help.
    pub(super) fn retried<T>(&self, step: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        retried(self.0.http.retry_policy(), step)
    }

    /// Sends a request once. A temporary failure is a fault, any other status an answer.
    pub(super) fn call(&self, registry: &str, repository: &str, call: &Call<'_>) -> Result<Response, Fault> {
        let response = self.authorized(registry, repository, call)?;
        if Again::after_status(response.status().as_u16()) == Again::Never { Ok(response) } else { Err(Fault::of(response)) }
    }

    /// Sends a request, and once more with fresh credentials when the registry asks for them, in whatever state it does so.
    ///
    /// Any other status is an answer; only 401 is not.
    fn authorized(&self, registry: &str, repository: &str, call: &Call<'_>) -> Result<Response, Fault> {
        let scopes = call.scopes(repository);
        let token_request = TokenRequest { registry, repository, scopes: &scopes };
        let mut rejected: Option<Secret> = None;
        let mut target = call.target.clone();
        let mut asked = 0;
        loop {
            let authorization = match self.scheme(registry) {
                Some(scheme) if call.target.carries_credentials() => {
                    self.0.tokens.header(&self.0.http, &self.0.credentials, &scheme, &token_request, rejected.as_ref())?
                }
                _ => None,
            };
            let mut request = Request::new(call.method.clone(), target.clone());
            request.headers.clone_from(&call.headers);
            request.authorization.clone_from(&authorization);
            if let Some(body) = call.body {
                request.body = body().map_err(HttpFault::Source)?;
            }
            let answer = self.0.http.send(request);
            if let Some(secure) = self.corrected(registry, &target, &answer) {
                target = secure;
                continue;
            }
            let response = answer?;
            // A host that was reached by a redirect cannot ask for credentials.
            let own = Origin::of(response.target().url()) == Origin::of(target.url());
            if response.status() != StatusCode::UNAUTHORIZED || !own || !call.target.carries_credentials() {
                return Ok(response);
            }
            // At most three times: anonymously, with a token that the registry no longer accepts, and with a fresh one.
            asked += 1;
            let found = find(&self.0.credentials, &token_request)?;
            let may_work = match self.learn(registry, &response)? {
                None => false,
                Some(Scheme::Basic) => authorization.is_none() && found.credential.is_some(),
                Some(Scheme::Bearer { .. }) => authorization.is_none() || rejected.is_none(),
            };
            if !may_work || asked == 3 {
                let mut fault = Fault::of(response);
                if let Fault::Status(answer) = &mut fault {
                    answer.credentials = Some(credentials_sent(&found));
                }
                return Err(fault);
            }
            rejected = authorization;
        }
    }

    /// Records the authentication scheme that the registry asks for; `None` when it names no known one.
    fn learn(&self, registry: &str, response: &Response) -> Result<Option<Scheme>, Fault> {
        let offered = challenges(&response.headers("www-authenticate"));
        let bearer = offered.iter().filter(|challenge| challenge.scheme == "bearer").find_map(|challenge| {
            challenge
                .parameters
                .get("realm")
                .map(|realm| (realm, challenge.parameters.get("service").filter(|service| !service.is_empty())))
        });
        let scheme = match bearer {
            Some((realm, service)) => {
                Scheme::Bearer { realm: realm::target(&self.0.http, registry, response, realm)?, service: service.cloned() }
            }
            None if offered.iter().any(|challenge| challenge.scheme == "basic") => Scheme::Basic,
            None => return Ok(None),
        };
        self.remember(registry, scheme.clone());
        Ok(Some(scheme))
    }
}
