//! `counterfoil-verify`: holds an export, an archive, a proof or a checkpoint against a key that the caller
//! brings. No database, no network; `docs/verifying.md` says what the results mean.
//!
//! Exit codes: 0 well, 1 a finding, 2 could not run.

mod archive;
mod args;
mod export;
mod print;
mod proof;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use counterfoil_verify::Found;
use counterfoil_verify::archive::MANIFEST;
use counterfoil_verify::export::is_bundle;
use counterfoil_verify::folder::{Bundle, Folder, MAX_FILE};
use counterfoil_verify::text;

use args::{Args, Parsed};
use print::Outcome;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args().skip(1)) {
        Ok(Parsed::Help) => return finish(args::USAGE, ExitCode::SUCCESS),
        Ok(Parsed::Version) => return finish(concat!("counterfoil-verify ", env!("CARGO_PKG_VERSION"), "\n"), ExitCode::SUCCESS),
        Ok(Parsed::Run(args)) => run(&args).map(|outcome| (outcome.print(args.json), outcome.code())),
        Err(why) => Err(why),
    };
    match outcome {
        Ok((text, code)) => finish(&text, code),
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "counterfoil-verify: {why}");
            ExitCode::from(2)
        }
    }
}

/// A reader that has gone away is no error.
fn finish(text: &str, code: ExitCode) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn run(args: &Args) -> Result<Outcome, String> {
    let path = Path::new(&args.path);
    if args.archive || path.join(MANIFEST).is_file() {
        return archive::verify(args, path);
    }
    if path.is_dir() {
        return export::verify(args, Folder::new(path));
    }
    let content = read(path)?;
    let content = text::unmarked(&content);
    let first = content.split(|b| *b == b'\n').next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    if is_bundle(first) {
        return export::verify(args, Bundle::parse(content)?);
    }
    let found = Found::of(content);
    match found.proofs.as_slice() {
        [proof] => proof::verify(args, proof, &found.notes),
        [_, ..] => Err(format!("{} holds several proofs: verify one at a time", path.display())),
        [] if path.extension().is_some_and(|e| e == "tlog-proof" || e == "heads-proof") => Ok(proof::no_proof(path)),
        [] => proof::verify_checkpoint(args, content),
    }
}

/// The content of a file that was named.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?.len();
    if size > MAX_FILE {
        return Err(format!("{} has {size} bytes, the most is {MAX_FILE}", path.display()));
    }
    fs::read(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}
