//! The server of a witness: one request, and whether it is alive. Nothing of a bank is here.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App as Site, HttpResponse, HttpServer, rt};

use crate::witness::{Answer, BODY_MAX, Watch, Witness};

use super::server::ServeError;

/// How often silence and unsent alarms are looked for.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Serves a witness at `listen` until the process is asked to leave; `ready` is called with the
/// address once it answers. Blocks.
///
/// # Errors
/// When it cannot listen.
pub fn serve_witness(
    witness: Arc<Witness>,
    mut watch: Watch,
    listen: &str,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<(), ServeError> {
    let (leave, left) = channel::<()>();
    let watched = witness.clone();
    let watching = move || {
        while left.recv_timeout(WATCH_EVERY) == Err(RecvTimeoutError::Timeout) {
            watch.turn(&watched);
        }
    };
    let watching = std::thread::Builder::new().name("watch".into()).spawn(watching)?;
    let site = move || {
        Site::new()
            .app_data(Data::from(witness.clone()))
            .app_data(PayloadConfig::new(BODY_MAX))
            .route("/add-checkpoint", web::post().to(add_checkpoint))
            .route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok\n") }))
    };
    let server = HttpServer::new(site).workers(1).bind(listen).map_err(|e| ServeError::Listen(listen.to_owned(), e))?;
    if let Some(address) = server.addrs().first() {
        ready(*address);
    }
    let result = rt::System::new().block_on(server.run());
    drop(leave);
    let _ = watching.join();
    Ok(result?)
}

async fn add_checkpoint(witness: Data<Witness>, body: Bytes) -> HttpResponse {
    let Ok(answer) = web::block(move || witness.add_checkpoint(&body)).await else {
        return HttpResponse::InternalServerError().finish();
    };
    let plain = |status: u16, text: String| {
        let status = actix_web::http::StatusCode::from_u16(status).unwrap_or_default();
        HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
    };
    match answer {
        Answer::Signed(line) => plain(200, line),
        Answer::Malformed(why) => plain(400, why),
        Answer::Untrusted(why) => plain(403, why),
        Answer::Unknown(why) => plain(404, why),
        Answer::OtherSize(size) | Answer::Forked(size) => {
            HttpResponse::Conflict().content_type("text/x.tlog.size").body(format!("{size}\n"))
        }
        Answer::NotExtended(why) => plain(422, why),
        Answer::Failed(why) => plain(500, why),
    }
}
