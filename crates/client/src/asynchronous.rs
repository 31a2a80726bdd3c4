//! The same without blocking the task: any runtime, no dependency on one.
//!
//! The requests are made by a few threads of ours; a task waits for their answer. What waits for a thread is bounded:
//! beyond that the caller is told at once that nothing was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::answer::Outcome;
use crate::change::Change;
use crate::client::Client;
use crate::deliver::Delivered;
use crate::entry::Entry;
use crate::error::Error;
use crate::recorder::{Recorded, Recorder};
use crate::row::Row;

/// What may wait for a thread.
const WAITING_MAX: usize = 1_024;

type Job = Box<dyn FnOnce() + Send>;

/// An async face of a [`Client`] or of a [`Spooling`](crate::Spooling) recorder.
///
/// A future that is dropped leaves its request to run its course: it may be recorded all the same.
#[derive(Clone)]
pub struct Async<R> {
    recorder: Arc<R>,
    jobs: SyncSender<Job>,
}

/// The async client.
pub type AsyncClient = Async<Client>;

impl<R: Recorder + 'static> Async<R> {
    /// With this many threads, at least one: as many requests are under way at once.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(recorder: R, threads: usize) -> Result<Async<R>, Error> {
        let (jobs, waiting) = sync_channel::<Job>(WAITING_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads.max(1) {
            let waiting = waiting.clone();
            let named = std::thread::Builder::new().name("counterfoil-client".into());
            named.spawn(move || work(&waiting)).map_err(|e| Error::Invalid(format!("no thread for requests: {e}")))?;
        }
        Ok(Async { recorder: Arc::new(recorder), jobs })
    }

    /// What it stands for.
    pub fn inner(&self) -> &R {
        &self.recorder
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// When it is neither in the log nor kept to be sent.
    pub async fn record_entry(&self, entry: Entry) -> Result<Recorded, Error> {
        self.aside(move |recorder| recorder.record_entry(&entry)).await?
    }

    /// Takes a change.
    ///
    /// # Errors
    /// When it is neither in the log nor kept to be sent.
    pub async fn record_change(&self, change: Change) -> Result<Recorded, Error> {
        self.aside(move |recorder| recorder.record_change(&change)).await?
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce(&R) -> T + Send + 'static) -> Result<T, Error> {
        let (recorder, slot) = (self.recorder.clone(), Arc::new(Slot::default()));
        let answer = Answer(slot.clone());
        let filler = Filler(slot);
        let job: Job = Box::new(move || {
            let done = work(&recorder);
            filler.fill(done);
        });
        match self.jobs.try_send(job) {
            Ok(()) => answer.await.ok_or_else(|| Error::unavailable("the thread that sent it panicked")),
            Err(TrySendError::Full(_)) => Err(Error::Busy(WAITING_MAX)),
            Err(TrySendError::Disconnected(_)) => Err(Error::unavailable("the threads for requests are gone")),
        }
    }
}

impl Async<Client> {
    /// Records an entry.
    ///
    /// # Errors
    /// When it is not in the log.
    pub async fn entry(&self, entry: Entry) -> Result<Outcome, Error> {
        self.aside(move |client| client.entry(&entry)).await?
    }

    /// Records a change.
    ///
    /// # Errors
    /// When it is not in the log, unless it changes nothing.
    pub async fn change(&self, change: Change) -> Result<Outcome, Error> {
        self.aside(move |client| client.change(&change)).await?
    }

    /// Sends many rows in their order, as [`Client::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, rows: Vec<Row>) -> Result<Vec<Outcome>, Error> {
        self.aside(move |client| client.send(&rows)).await?
    }

    /// Sends rows in their order, once, as [`Client::deliver`].
    ///
    /// # Errors
    /// When nothing was sent.
    pub async fn deliver(&self, rows: Vec<Row>) -> Result<Delivered, Error> {
        self.aside(move |client| client.deliver(&rows)).await
    }
}

/// Until everything that hands over jobs is gone.
fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // Its own answer tells that it panicked; the thread goes on.
            Ok(job) => drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

/// Where a job's result is put.
struct Slot<T>(Mutex<Inside<T>>);

struct Inside<T> {
    result: Option<T>,
    closed: bool,
    waker: Option<Waker>,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot(Mutex::new(Inside { result: None, closed: false, waker: None }))
    }
}

/// Puts the result there, and closes the slot in any case.
struct Filler<T>(Arc<Slot<T>>);

impl<T> Filler<T> {
    fn fill(self, result: T) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).result = Some(result);
    }
}

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        let mut inside = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.closed = true;
        let waker = inside.waker.take();
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for it; nothing if the job ended without a result.
struct Answer<T>(Arc<Slot<T>>);

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut inside = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.closed {
            return Poll::Ready(inside.result.take());
        }
        inside.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
