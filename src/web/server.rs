//! Listening, and leaving in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::InternalError;
use actix_web::middleware::{Compress, from_fn};
use actix_web::web::{self, Data, FormConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{App as Site, HttpRequest, HttpResponse, HttpServer, dev, rt};
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::access::Door;
use crate::app::{App, Books};
use crate::config;

use super::patience::Patience;
use super::problem::Problem;
use super::routes::{self, Entry};
use super::{book, form, guard, headers, numbers, observe, ops};

/// How long requests may take to finish after the process was asked to leave, seconds.
const LEAVE_SECONDS: u64 = 30;
/// A connection without a request is kept this long.
const KEEP_ALIVE: Duration = Duration::from_secs(65);
/// Headers must arrive within this.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Threads per worker for work that blocks.
const BLOCKING_THREADS: usize = 64;
/// How often what floods have left is written and old sessions are removed.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address that cannot be listened at.
    #[error("cannot listen at {0}: {1}; is another process there, or is server.listen wrong?")]
    Listen(String, std::io::Error),
    /// Certificate or key.
    #[error("TLS cannot begin: {0}; check server.tls_cert and server.tls_key")]
    Tls(String),
    /// It ran, and then failed.
    #[error("the server stopped: {0}")]
    Run(#[from] std::io::Error),
}

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Pages and interface.
    pub addresses: Vec<SocketAddr>,
    /// `/metrics`, if anywhere.
    pub admin: Vec<SocketAddr>,
    /// Whether over TLS.
    pub tls: bool,
}

/// A server that listens; it answers while `run` is awaited.
struct Server {
    main: dev::Server,
    admin: Option<dev::Server>,
    doors: Vec<Door>,
    metrics: Option<PrometheusHandle>,
    listening: Listening,
}

/// Serves until SIGTERM or SIGINT, then lets requests finish. Blocks. `ready` is told where.
///
/// The caller stops the log afterwards ([`crate::intake::Intake::stop`]).
pub fn serve(books: impl Into<Books>, ready: impl FnOnce(&Listening)) -> Result<(), ServeError> {
    serve_until(books, asked_to_leave(), ready)
}

/// Serves until `leave` is done, then lets requests finish. Blocks.
pub fn serve_until(
    books: impl Into<Books>,
    leave: impl Future<Output = ()> + Send + 'static,
    ready: impl FnOnce(&Listening),
) -> Result<(), ServeError> {
    let books = books.into();
    rt::System::new().block_on(async move {
        let server = Server::bind(books, leave)?;
        ready(server.listening());
        server.run().await
    })
}

/// Waits for SIGTERM or SIGINT.
async fn asked_to_leave() {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        // Without a handler the signal ends the process at once, which loses nothing acknowledged.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to leave: finishing requests");
}

impl Server {
    /// Listens; leaves when `leave` is done. Call it inside an actix runtime.
    fn bind(books: Books, leave: impl Future<Output = ()> + Send + 'static) -> Result<Server, ServeError> {
        let mounts: Arc<Vec<Mount>> = Arc::new(books.all().map(Mount::of).collect());
        let metrics = numbers::install();
        let settings = books.main.config.server.clone();
        let (tell, told) = watch::channel(false);
        let patience = Data::new(Patience::new(Duration::from_secs(settings.body_seconds), told));
        let leave = async move {
            leave.await;
            // Bodies that are still arriving hear it and end; without that they would hold the process up.
            let _ = tell.send(true);
        };
        let (groups, mounted) = (grouped(), mounts.clone());
        let site = move || {
            Site::new()
                .app_data(patience.clone())
                .app_data(FormConfig::default().limit(form::FORM_MAX).error_handler(|error, req| {
                    let answer = guard::render(req, &form::problem(&error));
                    InternalError::from_response(error, answer).into()
                }))
                .app_data(QueryConfig::default().error_handler(|error, req| unreadable(error, req, 400)))
                .app_data(PathConfig::default().error_handler(|error, req| unreadable(error, req, 404)))
                .configure(|config| mount(config, &groups, &mounted))
                .wrap(Compress::default())
                .wrap(from_fn(headers::head_as_get))
                .wrap(from_fn(headers::add))
                .wrap(from_fn(observe::observe))
        };
        let mut http = HttpServer::new(site)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEADERS_WITHIN)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .disable_signals()
            .shutdown_signal(leave)
            .shutdown_timeout(LEAVE_SECONDS);
        if settings.workers > 0 {
            http = http.workers(settings.workers);
        }
        let tls = !settings.tls_cert.is_empty();
        let failed = |e| ServeError::Listen(settings.listen.clone(), e);
        let http = match tls {
            true => http.bind_rustls_0_23(settings.listen.as_str(), tls_config(&settings)?).map_err(failed)?,
            false => http.bind(settings.listen.as_str()).map_err(failed)?,
        };
        let addresses = http.addrs();
        let (admin, admin_addresses) = admin(&settings, &books, metrics.clone())?;
        let listening = Listening { addresses, admin: admin_addresses, tls };
        let doors = mounts.iter().map(|mount| Door::clone(&mount.door)).collect();
        Ok(Server { main: http.run(), admin, doors, metrics, listening })
    }

    /// Where it listens.
    fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Answers until it is asked to leave and every request is finished.
    async fn run(self) -> Result<(), ServeError> {
        let Server { main, admin, doors, metrics, .. } = self;
        let tidying = rt::spawn(tidy(doors.clone()));
        let counting = metrics.map(|handle| rt::spawn(numbers::upkeep(handle)));
        let admin = admin.map(|server| (server.handle(), rt::spawn(server)));
        let ran = main.await;
        tidying.abort();
        if let Some(counting) = counting {
            counting.abort();
        }
        if let Some((handle, _)) = admin {
            handle.stop(false).await;
        }
        for door in doors {
            let finished = web::block(move || door.finish()).await;
            if !matches!(finished, Ok(Ok(()))) {
                tracing::warn!("the last counts of refused requests could not be recorded");
            }
        }
        Ok(ran?)
    }
}

/// Once a minute, what nobody waits for.
async fn tidy(doors: Vec<Door>) {
    loop {
        rt::time::sleep(TIDY_EVERY).await;
        for door in doors.clone() {
            if let Ok(Err(error)) = web::block(move || door.tidy()).await {
                tracing::warn!(%error, "old sessions and counted refusals were left for the next minute");
            }
        }
    }
}

/// What cannot be read in an address, in our words.
fn unreadable(error: impl std::fmt::Debug + std::fmt::Display + 'static, req: &HttpRequest, status: u16) -> actix_web::Error {
    let problem = match status {
        404 => Problem::new(404, "no_such_path", "there is nothing at this address"),
        _ => Problem::new(status, "query_unreadable", "the address holds something that cannot be read here"),
    };
    let answer = guard::render(req, &problem);
    InternalError::from_response(error, answer).into()
}

/// A book at its place.
struct Mount {
    root: String,
    app: Data<App>,
    door: Data<Door>,
}

impl Mount {
    fn of(app: &App) -> Mount {
        let door = Door::new(app.db.clone(), app.log(), app.clock.clone());
        Mount { root: app.config.root(), app: Data::new(app.clone()), door: Data::new(door) }
    }
}

/// Every book under its name, and the first one where no name is given.
fn mount(config: &mut ServiceConfig, groups: &[Group], mounts: &[Mount]) {
    for mount in mounts {
        let root = if mount.root.is_empty() { book::MAIN_ROOT } else { &mount.root };
        let bare = web::resource(root).app_data(mount.app.clone()).route(web::get().to(book::to_book));
        let scope = web::scope(root).app_data(mount.app.clone()).app_data(mount.door.clone());
        let inside = scope.configure(|config| configure(config, groups)).wrap(from_fn(book::prefix));
        config.service(bare).service(inside);
    }
    let Some(first) = mounts.first() else { return };
    config.app_data(first.app.clone()).app_data(first.door.clone());
    if first.root.is_empty() {
        return configure(config, groups);
    }
    // A book that is served alone: its pages are under its name all the same.
    config.service(web::resource("/").route(web::get().to(book::to_book)));
    config.default_service(web::route().to(nothing_here));
}

type Group = &'static [&'static Entry];

/// The table by path, in its order. Made once per process; it lives as long as that.
fn grouped() -> Arc<Vec<Group>> {
    let mut groups: Vec<Vec<&'static Entry>> = Vec::new();
    for entry in routes::all() {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.path == entry.path)) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    Arc::new(groups.into_iter().map(|group| &*group.leak()).collect())
}

fn configure(config: &mut ServiceConfig, groups: &[Group]) {
    for group in groups.iter().copied() {
        let Some(first) = group.first() else { continue };
        let allowed: Vec<&str> = group.iter().map(|entry| entry.method.as_str()).collect();
        let allowed = allowed.join(", ");
        let mut resource = web::resource(first.path);
        for entry in group {
            resource = resource.route((entry.handler)());
        }
        let other = move |req: HttpRequest| {
            let problem = Problem::method_not_allowed(allowed.clone());
            async move { guard::render(&req, &problem) }
        };
        let guarded =
            resource.default_service(web::route().to(other)).wrap(from_fn(move |req, next| guard::check(group, req, next)));
        config.service(guarded);
    }
    config.default_service(web::route().to(nothing_here).wrap(from_fn(guard::recognise)));
}

/// What is not in the table.
async fn nothing_here(req: HttpRequest) -> HttpResponse {
    guard::render(&req, &Problem::new(404, "no_such_path", "there is nothing at this address; see /docs"))
}

type Admin = (Option<dev::Server>, Vec<SocketAddr>);

/// The second listener, if one is configured.
fn admin(settings: &config::Server, books: &Books, metrics: Option<PrometheusHandle>) -> Result<Admin, ServeError> {
    let (false, Some(handle)) = (settings.admin_listen.is_empty(), metrics) else { return Ok((None, Vec::new())) };
    let (app, all, handle) = (Data::new(books.main.clone()), Data::new(books.clone()), Data::new(handle));
    let site = move || {
        let metrics = web::resource("/metrics").route(web::get().to(numbers::show));
        let health = web::resource("/healthz").route(web::get().to(ops::healthz));
        Site::new()
            .app_data(app.clone())
            .app_data(all.clone())
            .app_data(handle.clone())
            .service(metrics)
            .service(health)
            .wrap(from_fn(headers::add))
    };
    let http = HttpServer::new(site).workers(1).disable_signals();
    let bound = http.bind(settings.admin_listen.as_str()).map_err(|e| ServeError::Listen(settings.admin_listen.clone(), e))?;
    let addresses = bound.addrs();
    Ok((Some(bound.run()), addresses))
}

fn tls_config(settings: &config::Server) -> Result<rustls::ServerConfig, ServeError> {
    let tls = |what: &str, e: &dyn std::fmt::Display| ServeError::Tls(format!("{what}: {e}"));
    let chain = CertificateDer::pem_file_iter(&settings.tls_cert).map_err(|e| tls(&settings.tls_cert, &e))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|e| tls(&settings.tls_cert, &e))?;
    let key = PrivateKeyDer::from_pem_file(&settings.tls_key).map_err(|e| tls(&settings.tls_key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| tls("protocols", &e))?.with_no_client_auth();
    builder.with_single_cert(chain, key).map_err(|e| tls(&settings.tls_cert, &e))
}
