//! A headless Chromium with a fresh profile, driven through chromedriver.
//!
//! ```ignore
//! let browser = Browser::start();
//! browser.goto(&format!("{}/login", server.url()));
//! browser.fill("input[name=user]", "officer");
//! browser.click("button[type=submit]");
//! assert_eq!(browser.text("h1"), "Today");
//! let title = browser.run(async |driver| driver.title().await);
//! ```
//!
//! It brings its own runtime, so the tests that use it are ordinary functions,
//! not async ones.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thirtyfour::ChromeCapabilities;
use thirtyfour::prelude::*;
use tokio::runtime::Runtime;

use super::INSTALL;
use super::reaper::{self, Extent, Watch};

/// Without these Chromium will not run as root, or asks hosts of its maker that
/// have nothing to do with the test.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

const START_MAX: Duration = Duration::from_secs(60);
/// How long an element may take to appear.
const ELEMENT_MAX: Duration = Duration::from_secs(15);
const QUIT_MAX: Duration = Duration::from_secs(5);

/// A running browser with one window. Dropping it ends all its processes.
pub struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    // Dropped in this order: the processes before the folder they write to.
    processes: Processes,
    _folder: TempDir,
}

impl Browser {
    /// Starts chromedriver and, through it, Chromium.
    ///
    /// # Panics
    /// When one of them is missing or does not start.
    pub fn start() -> Self {
        let chromium = program("chromium", "chromium");
        let chromedriver = program("chromedriver", "chromium-driver");
        let folder = tempfile::Builder::new()
            .prefix("counterfoil-browser-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        reaper::remove_in_the_end(folder.path());
        let processes = Processes::start(&chromedriver, folder.path());
        let port = wait_for_port(&folder.path().join("log"));
        let runtime = Runtime::new().unwrap_or_else(|error| panic!("no runtime: {error}"));
        let capabilities = capabilities(&chromium, &folder.path().join("profile"))
            .unwrap_or_else(|error| panic!("cannot describe the browser: {error}"));
        let driver = runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities)).unwrap_or_else(|error| {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            panic!("chromedriver cannot start {}: {error}\n{log}", chromium.display())
        });
        Self { runtime, driver: Some(driver), processes, _folder: folder }
    }

    /// Does several steps with thirtyfour itself.
    ///
    /// # Panics
    /// When a step fails.
    #[track_caller]
    pub fn run<T>(&self, steps: impl AsyncFnOnce(&WebDriver) -> WebDriverResult<T>) -> T {
        let driver = self.driver.as_ref().expect("the driver stays until the drop");
        match self.runtime.block_on(steps(driver)) {
            Ok(value) => value,
            Err(error) => panic!("in the browser: {error}"),
        }
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn goto(&self, url: &str) {
        self.run(async |driver| driver.goto(url).await);
    }

    /// The visible text of the first element that matches, when there is one.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        self.run(async |driver| {
            for _ in 0..STALE_MAX {
                match find(driver, css).await?.text().await {
                    Err(error) if is_stale(&error) => {}
                    read => return read,
                }
            }
            find(driver, css).await?.text().await
        })
    }

    /// Clicks the first element that matches.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.run(async |driver| {
            for _ in 0..STALE_MAX {
                match find(driver, css).await?.click().await {
                    Err(error) if is_stale(&error) => {}
                    clicked => return clicked,
                }
            }
            find(driver, css).await?.click().await
        });
    }

    /// Replaces what a field holds.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.run(async |driver| {
            let field = find(driver, css).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Where the browser is now.
    #[track_caller]
    pub fn url(&self) -> String {
        self.run(async |driver| driver.current_url().await).to_string()
    }

    /// Writes what the window shows to a PNG file.
    #[track_caller]
    pub fn screenshot(&self, path: &Path) {
        self.run(async |driver| driver.screenshot(path).await);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // A polite end first; what is left of it is killed afterwards.
            let quit = async { tokio::time::timeout(QUIT_MAX, driver.quit()).await };
            drop(self.runtime.block_on(quit));
        }
        self.processes.kill();
    }
}

async fn find(driver: &WebDriver, css: &str) -> WebDriverResult<WebElement> {
    let query = driver.query(By::Css(css)).desc(css);
    query.wait(ELEMENT_MAX, Duration::from_millis(50)).first().await
}

/// chromedriver and the Chromium processes, which stay in its process group.
struct Processes {
    chromedriver: Child,
    watch: Watch,
}

impl Processes {
    fn start(chromedriver: &Path, folder: &Path) -> Self {
        let log =
            File::create(folder.join("log")).unwrap_or_else(|error| panic!("cannot write in {}: {error}", folder.display()));
        let mut command = reaper::command(chromedriver);
        command.arg("--port=0").stdout(log).stderr(Stdio::null());
        let (chromedriver, watch) =
            reaper::launch(&mut command, Extent::Group).unwrap_or_else(|error| panic!("chromedriver does not start: {error}"));
        Self { chromedriver, watch }
    }

    fn kill(&mut self) {
        self.watch.signal("KILL");
        drop(self.chromedriver.wait());
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
    }
}

fn capabilities(chromium: &Path, profile: &Path) -> WebDriverResult<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(&chromium.to_string_lossy())?;
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    Ok(capabilities)
}

/// chromedriver takes a free port by itself and says which.
fn wait_for_port(log: &Path) -> u16 {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(log).unwrap_or_default();
        let said = text.split_once("started successfully on port ");
        if let Some((number, _)) = said.and_then(|(_, rest)| rest.split_once('.'))
            && let Ok(port) = number.parse()
        {
            return port;
        }
        assert!(started.elapsed() < START_MAX, "chromedriver names no port after {START_MAX:?}: {text}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn program(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("the browser tests need `{name}` (Debian package `{package}`) on PATH: {INSTALL}"))
}

/// Times an element is looked for again that went with its page between being found and being used.
const STALE_MAX: usize = 20;

fn is_stale(error: &WebDriverError) -> bool {
    error.to_string().contains("stale")
}
