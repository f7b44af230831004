use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::fault::Fault;
use crate::net::credentials::{Credential, Credentials, Found};
use crate::net::{Http, HttpFault, Method, Request, RequestBody, Secret, Step, Target, Url, header};
use crate::oci::StoreFault;

/// How large a token service's answer may be.
const LIMIT: u64 = 1 << 20;

/// The authentication scheme that a registry asks for (RFC 9110, section 11).
#[derive(Debug, Clone)]
pub(super) enum Scheme {
    /// With user and password each time.
    Basic,
    /// With a token of this service.
    Bearer { realm: Target, service: Option<String> },
}

/// The tokens that this process got, one for each registry and scope.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<(String, String), Slot>>);

/// One token. Its lock is held while the token is fetched, so that many threads ask once.
type Slot = Arc<Mutex<Option<Token>>>;

#[derive(Clone)]
pub(super) struct Token {
    secret: Secret,
    fresh_until: Instant,
}

/// What a token is asked for: a registry, one of its repositories, and the scopes.
pub(super) struct TokenRequest<'a> {
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) step: &'a Step,
}

impl Tokens {
    /// Returns the header for a request, or `None` where there are neither credentials nor a token.
    ///
    /// A header that was just rejected is not given again: its token is fetched anew.
    pub(super) fn header(
        &self,
        http: &Http,
        credentials: &Credentials,
        scheme: &Scheme,
        request: &TokenRequest<'_>,
        rejected: Option<&Secret>,
    ) -> Result<Option<Secret>, Fault> {
        let found = find(credentials, request)?;
        let credential = found.credential.as_ref().map(|(credential, _)| credential);
        let (realm, service) = match (scheme, credential) {
            (_, Some(Credential::Bearer(token))) => return Ok(Some(bearer(token))),
            (Scheme::Basic, Some(Credential::Password { user, password })) => return Ok(Some(basic(user, password))),
            (Scheme::Basic, _) => return Ok(None),
            (Scheme::Bearer { realm, service }, _) => (realm, service),
        };
        let key = (request.registry.to_owned(), request.scopes.join(" "));
        let slot = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default());
        // Another thread may be asking for the same token: its wait is one of this step as well.
        let begun = Instant::now();
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        request.step.spend(begun.elapsed());
        if let Some(token) = slot.as_ref() {
            let header = bearer(&token.secret);
            if token.fresh_until > Instant::now() && rejected != Some(&header) {
                return Ok(Some(header));
            }
        }
        let token = fetch(http, realm, service.as_deref(), request, &found)?;
        let header = bearer(&token.secret);
        *slot = Some(token);
        Ok(Some(header))
    }
}

/// Finds the credential for a token request.
pub(super) fn find(credentials: &Credentials, request: &TokenRequest<'_>) -> Result<Found, Fault> {
    credentials.find(request.registry, request.repository).map_err(|fault| Fault::Refused {
        fault: StoreFault::Unauthorized,
        message: fault.to_string(),
        hints: Vec::new(),
    })
}

/// Describes which credentials were sent, and what was wrong with other sources, without their values.
pub(super) fn credentials_sent(found: &Found) -> String {
    let source = found.credential.as_ref().map(|(_, source)| format!("with the credentials from {source}"));
    let parts = std::iter::once(source.unwrap_or_else(|| "without credentials".to_owned())).chain(found.notes.iter().cloned());
    parts.collect::<Vec<_>>().join("; ")
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.reveal()))
}

fn basic(user: &str, password: &Secret) -> Secret {
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
}

/// Gets a token: by GET with user and password or anonymously, or by POST with a refresh token (the token documents of distribution).
fn fetch(http: &Http, realm: &Target, service: Option<&str>, wanted: &TokenRequest<'_>, found: &Found) -> Result<Token, Fault> {
    let started = Instant::now();
    let credential = found.credential.as_ref().map(|(credential, _)| credential);
    let request = match credential {
        Some(Credential::Identity(refresh)) => {
            http.note_secret(refresh);
            let scope = wanted.scopes.join(" ");
            let mut pairs = vec![("grant_type", "refresh_token"), ("client_id", "hardened"), ("refresh_token", refresh.reveal())];
            pairs.extend(service.map(|service| ("service", service)));
            if !scope.is_empty() {
                pairs.push(("scope", &scope));
            }
            Request::new(Method::POST, realm.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(RequestBody::Bytes(form(&pairs)?.into_bytes().into()))
        }
        other => {
            let mut target = realm.clone();
            for (key, value) in
                service.map(|service| ("service", service)).into_iter().chain(wanted.scopes.iter().map(|scope| ("scope", scope.as_str())))
            {
                target = target.with_query(key, value);
            }
            let mut request = Request::new(Method::GET, target);
            if let Some(Credential::Password { user, password }) = other {
                request.authorization = Some(basic(user, password));
            }
            request
        }
    };
    let response = http.send(request.within(wanted.step))?;
    if !response.status().is_success() {
        let mut fault = Fault::of(response);
        if let Fault::Status(answer) = &mut fault {
            answer.credentials = Some(credentials_sent(found));
        }
        return Err(fault);
    }
    let host = response.target().url().host_str().unwrap_or_default().to_owned();
    let bytes = response.read_all(LIMIT)?;
    let unusable = |detail: &str| Fault::Http(HttpFault::Answer { host: host.clone(), detail: detail.to_owned() });
    let document: Value = serde_json::from_slice(&bytes).map_err(|_| unusable("it is not a JSON document with a token"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = text("token").or_else(|| text("access_token")).ok_or_else(|| unusable("it holds no token"))?;
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable("its token contains characters that are not allowed in a header"));
    }
    // The specification's default; a token is renewed before its end, as an upload may take a while to start.
    let lifetime =
        Duration::from_secs(document.get("expires_in").and_then(Value::as_u64).filter(|seconds| *seconds > 0).unwrap_or(60).min(86400));
    let margin = (lifetime / 4).min(Duration::from_secs(30));
    Ok(Token { secret: Secret::new(token), fresh_until: started + lifetime.saturating_sub(margin) })
}

fn form(pairs: &[(&str, &str)]) -> Result<String, Fault> {
    let mut url: Url = "form:".parse().map_err(|_| HttpFault::Setup("no form could be written".to_owned()))?;
    url.query_pairs_mut().extend_pairs(pairs);
    Ok(url.query().unwrap_or_default().to_owned())
}
