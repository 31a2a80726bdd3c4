//! The site's own files, inside the binary.

use std::sync::OnceLock;

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::problem::Problem;

struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

static ASSETS: &[Asset] = &[
    Asset { name: "app.css", media: "text/css; charset=utf-8", bytes: include_bytes!("assets/app.css") },
    Asset { name: "app.js", media: "text/javascript; charset=utf-8", bytes: include_bytes!("assets/app.js") },
    Asset { name: "favicon.svg", media: "image/svg+xml", bytes: include_bytes!("assets/favicon.svg") },
];

/// What `?v=` of every asset should be: changes when any of them does.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hash = Sha256::new();
        ASSETS.iter().for_each(|asset| hash.update(asset.bytes));
        hex::encode(&hash.finalize()[..6])
    })
}

/// `GET /assets/{name}`: for ever under the present version, otherwise to be asked for again.
pub async fn show(req: HttpRequest, name: Path<String>) -> Result<HttpResponse, Problem> {
    let asset = ASSETS.iter().find(|asset| asset.name == name.as_str()).ok_or_else(|| Problem::not_found("file"))?;
    let present = req.query_string().strip_prefix("v=") == Some(version());
    let caching = if present { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = format!("\"{}\"", version());
    let known = req.headers().get(IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CACHE_CONTROL, caching)).insert_header((ETAG, tag));
    Ok(if known { answer.finish() } else { answer.content_type(asset.media).body(asset.bytes) })
}
