//! The program: reads its arguments, runs a command, ends with 0 (well), 1 (a finding) or 2
//! (could not run).

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    counterfoil::cli::main()
}
