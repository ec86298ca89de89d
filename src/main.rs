//! The binary: everything is in the library.

use std::process::ExitCode;

/// Long streams allocate and free small pieces for hours; the system's allocator keeps what it was given.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    pointsman::cli::run()
}
