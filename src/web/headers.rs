//! Headers that every answer carries.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::app::App;

/// What a browser may load: our own files and nothing else; no inline script, no inline style.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy, with one more source of style where a document carries its own.
pub fn policy(style: Option<&str>) -> String {
    match style {
        Some(style) => POLICY.replacen("style-src 'self'", &format!("style-src 'self' {style}"), 1),
        None => POLICY.to_owned(),
    }
}

/// Sets what a handler has not set itself.
pub async fn add<B: MessageBody>(req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    let https = req.app_data::<Data<App>>().is_some_and(|app| app.config.is_https());
    let mut answer = next.call(req).await?;
    set(answer.headers_mut(), https);
    Ok(answer)
}

/// Answers HEAD as GET would be answered; the server itself leaves the body out.
pub async fn head_as_get<B: MessageBody>(mut req: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, actix_web::Error> {
    if req.method() == Method::HEAD {
        req.head_mut().method = Method::GET;
    }
    next.call(req).await
}

fn set(headers: &mut HeaderMap, https: bool) {
    let mut default = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default(CONTENT_SECURITY_POLICY, POLICY);
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(REFERRER_POLICY, "same-origin");
    default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(CACHE_CONTROL, "no-store");
    if https {
        default(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_s_own_header_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("immutable"));
        set(&mut headers, false);
        assert_eq!(headers.get(CACHE_CONTROL), Some(&HeaderValue::from_static("immutable")));
        assert_eq!(headers.get(CONTENT_SECURITY_POLICY), Some(&HeaderValue::from_static(POLICY)));
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
    }
}
