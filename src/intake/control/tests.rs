//! What a start says of its settings, and what of it is private.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::clock::Moment;

fn control(url: &str) -> (Control, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.keys.dir = dir.path().join("keys").display().to_string();
    config.mail.url = url.to_owned();
    config.mail.alerts_to = vec!["canary@bank.example".to_owned()];
    config.keys.log = "PRIVATE+KEY+canary".to_owned();
    let address = Address::parse("sqlite:/nowhere/bank.db").unwrap();
    (Control::of(&config, &address, &Clock::fixed(Moment(0), 3)).unwrap(), dir)
}

#[test]
fn nothing_personal_is_public_and_no_secret_is_anywhere() {
    let (said, _dir) = control("smtps://robot:canary-password@relay.canary.example");
    assert!(!said.public.to_string().contains("canary"), "{}", said.public);
    let private = said.private.to_string();
    assert!(private.contains("robot@relay.canary.example") && private.contains("canary@bank.example"));
    assert!(!private.contains("canary-password") && !private.contains("PRIVATE"), "{private}");
    assert_eq!(said.private["mail.url (password)"].as_str().unwrap().len(), 64);
}

#[test]
fn a_password_is_told_from_its_address() {
    for (url, address, password) in [
        ("smtp://relay", "smtp://relay", ""),
        ("smtp://me@relay", "smtp://me@relay", ""),
        ("smtp://me:a@b:c@relay:25", "smtp://me@relay:25", "a@b:c"),
        ("file:/tmp/mail", "file:/tmp/mail", ""),
    ] {
        assert_eq!(without_password(url), (address.to_owned(), password), "{url}");
    }
}

#[test]
fn what_is_too_large_is_named_by_its_digest() {
    let long = "x".repeat(2_000);
    assert!(short(&json!(long)).as_str().unwrap().starts_with("sha256:"));
    let names: Vec<String> = (0..40).map(|n| format!("key{n}")).collect();
    let many = names.iter().map(|name| (&*name.clone().leak(), json!("y".repeat(900))));
    assert!(half(many)[ALL].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn the_running_program_has_a_digest() {
    assert_eq!(binary().unwrap().len(), 64);
}
