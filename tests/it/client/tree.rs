//! What a program takes in that uses the client: little, and nothing copyleft.

use std::process::Command;

/// Licences under which anything may be built in.
const PERMISSIVE: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "Unlicense",
    "0BSD",
];

/// Packages in all, with HTTP and the derive.
const PACKAGES_MAX: usize = 48;

/// Whether one of the alternatives of a licence is permissive in all its parts.
fn is_permissive(licence: &str) -> bool {
    let plain = licence.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").any(|either| either.split(" AND ").all(|part| PERMISSIVE.contains(&part.trim())))
}

#[test]
fn the_client_depends_on_little_and_on_nothing_copyleft() {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--package", "counterfoil-client", "--features", "derive", "--edges", "normal", "--prefix", "none"]);
    command.args(["--format", "{p}|{l}", "--no-dedupe", "--offline", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let packages: std::collections::BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('|')).collect();
    assert!(packages.len() > 10 && packages.len() <= PACKAGES_MAX, "{}: {packages:#?}", packages.len());
    let other: Vec<_> = packages.iter().filter(|(_, licence)| !is_permissive(licence)).collect();
    assert!(other.is_empty(), "{other:?}");
    for heavy in ["tokio ", "hyper ", "openssl-sys ", "aws-lc-sys ", "chrono "] {
        assert!(!packages.keys().any(|package| package.starts_with(heavy)), "{heavy}");
    }
}
