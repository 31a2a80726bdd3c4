//! The documented example is the program's own defaults, key for key.

use counterfoil::config::Config;

#[test]
fn the_example_names_every_key_with_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/counterfoil.example.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let example: toml::Table = text.parse().unwrap();
    let mut defaults: toml::Table = toml::Table::try_from(Config::default()).unwrap();
    assert_eq!(defaults.remove("source"), Some(toml::Value::Array(Vec::new())));
    assert_eq!(defaults.remove("forward"), Some(toml::Value::Array(Vec::new())));
    assert_eq!(defaults.remove("book"), Some(toml::Value::Table(toml::Table::new())));
    assert_eq!(defaults.remove("capture"), Some(toml::Value::Array(Vec::new())));
    let anchor = defaults.get_mut("anchor").and_then(toml::Value::as_table_mut).unwrap();
    assert_eq!(anchor.remove("witness"), Some(toml::Value::Array(Vec::new())));
    let records = defaults.get_mut("records").and_then(toml::Value::as_table_mut).unwrap();
    assert_eq!(records.remove("type"), Some(toml::Value::Array(Vec::new())));
    assert_eq!(example, defaults);
    let uncommented: String = text
        .lines()
        .map(|line| if line.starts_with("# [") || line.contains(" = ") { line.trim_start_matches("# ") } else { line })
        .fold(String::new(), |all, line| all + line + "\n");
    let with_source: toml::Table = uncommented.parse().unwrap();
    assert!(with_source.contains_key("source"), "the example shows a source");
    assert!(with_source.contains_key("forward"), "the example shows a receiver");
    assert!(with_source["book"]["savings"].is_table(), "the example shows a book");
    // Every key of a capture is shown, under its own name.
    let shown = with_source["capture"][0].clone();
    let read: counterfoil::config::Capture = shown.clone().try_into().unwrap();
    assert_eq!(toml::Value::try_from(read).unwrap(), shown, "the example shows a capture with all its keys");
    assert!(with_source["anchor"]["witness"].is_array(), "the example shows a witness");
    assert!(with_source["records"]["type"].is_array(), "the example shows a type of records");
}

#[test]
fn unknown_keys_and_impossible_values_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |text: &str| {
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), None).unwrap_err().to_string()
    };
    assert!(refused("[server]\nlisen = \"x\"").contains("lisen"));
    assert!(refused("[bank]\ncut_off = \"25:00\"").contains("25:00"));
    assert!(refused("[[source]]\nname = \"core\"\ntolerance = { USD = \"999999.00\" }").contains("at most 10 USD"));
    assert!(refused("[server]\ntls_cert = \"a.pem\"").contains("tls_key"));
    for url in
        ["not a url", "javascript:alert(1)", "https://", "https:///x", "http://a b", "https://user@bank.example", "https://a/?x"]
    {
        assert!(
            refused(&format!("[server]\npublic_url = \"{url}\"")).contains(&format!("server.public_url is `{url}`")),
            "{url}"
        );
    }
    assert!(refused("[bank]\nname = \"Bank\\nBcc: x@y\"").contains("bank.name"));
    assert!(refused("[mail]\nattempts = 0").contains("mail.attempts"));
    assert!(refused("[[records.type]]\nname = \"Customer!\"").contains("Customer!"));
    assert!(refused("[[records.type]]\nname = \"a\"\nsensitive = [\"ssn\"]").contains("JSON pointer"));
    assert!(refused("[[records.type]]\nname = \"a\"\n[[records.type]]\nname = \"a\"").contains("twice"));
    let capture = |more: &str| format!("[[capture]]\nname = \"core\"\nurl = \"postgres://c@h/d\"\n{more}");
    let table = "[[capture.table]]\ntable = \"public.a\"\ntype = \"a\"\n";
    assert!(refused(&capture("").replace("c@h", "c:secret@h")).contains("password_file"));
    assert!(refused(&capture("").replace("h/d", "h/d?password=x")).contains("password_file"));
    assert!(refused(&(capture(table) + table)).contains("twice"));
    assert!(refused(&capture(&format!("{table}subject = \"x\"\nsensitive = [\"x\"]"))).contains("names the subject"));
    assert!(refused(&capture(&format!("{table}exclude = [\"x\"]\nsensitive = [\"x\"]"))).contains("x is excluded and used"));
    let no_currency = "entries = { account = \"id\", balance = \"b\" }";
    assert!(refused(&capture(&format!("{table}{no_currency}"))).contains("currency_column"));
    assert!(refused("[bank]\ntime_zone = \"Mars/Base\"").contains("Mars/Base"));
}
