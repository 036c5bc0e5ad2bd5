use proptest::prelude::*;

use super::super::DatabaseUrl;
use super::*;

/// What a password is in these tests: a secret that must not be shown, with nothing in it that needs encoding.
const SECRET: &str = "Tr0ub4dor-zq";

fn parsed(url: &str) -> PostgresUrl {
    match DatabaseUrl::parse(url) {
        Ok(DatabaseUrl::Postgres(url)) => url,
        other => panic!("{url}: {other:?}"),
    }
}

fn refusal(url: &str) -> String {
    match DatabaseUrl::parse(url) {
        Ok(url) => panic!("{url:?} was taken"),
        Err(error) => error.to_string(),
    }
}

fn hosts(url: &str) -> Vec<(Option<String>, Option<u16>)> {
    let hosts = parsed(url).hosts.into_iter();
    hosts.map(|host| (host.name, host.port)).collect()
}

fn of_first_host(url: &str) -> String {
    let url = parsed(url);
    url.of_host(&url.hosts[0]).expose().to_owned()
}

fn named(name: &str, port: Option<u16>) -> (Option<String>, Option<u16>) {
    (Some(name.to_owned()), port)
}

#[test]
fn every_part_may_be_missing() {
    assert_eq!(hosts("postgres://"), [(None, None)]);
    assert_eq!(hosts("postgres:///name"), [(None, None)]);
    assert_eq!(hosts("postgresql://user@/name"), [(None, None)]);
    assert_eq!(of_first_host("postgres://h"), "postgres:///?host=h");
    assert_eq!(
        of_first_host("postgres://u@h:1/d"),
        "postgres:///?host=h&port=1&user=u&dbname=d"
    );
}

#[test]
fn what_is_encoded_means_the_same_in_every_place() {
    let url = of_first_host("postgres://us%20er:p%40s%2Fs%23%25@h/na%2Dme");
    assert_eq!(
        url,
        "postgres:///?host=h&user=us%20er&password=p%40s%2Fs%23%25&dbname=na%2Dme"
    );
    let parameters = "postgres:///na%2Dme?user=us%20er&password=p%40s%2Fs%23%25&host=h";
    let sorted = |url: &str| {
        let mut pairs: Vec<_> = url.split(['?', '&']).map(str::to_owned).collect();
        pairs.sort();
        pairs
    };
    assert_eq!(sorted(&of_first_host(parameters)), sorted(&url));
}

#[test]
fn lists_of_hosts_are_read_in_both_places() {
    let both = [named("h1", Some(5432)), named("h2", Some(5433))];
    assert_eq!(hosts("postgres://h1:5432,h2:5433/d"), both);
    assert_eq!(hosts("postgres:///d?host=h1,h2&port=5432,5433"), both);
    assert_eq!(
        hosts("postgres://h1,h2/d?port=7"),
        [named("h1", Some(7)), named("h2", Some(7))]
    );
    assert_eq!(
        hosts("postgres://[::1]:7,[fe80::1]"),
        [named("::1", Some(7)), named("fe80::1", None)]
    );
    assert_eq!(
        hosts("postgres://u@/d?host=/run/postgresql"),
        [named("/run/postgresql", None)]
    );
    assert_eq!(
        hosts("postgres://%2Frun%2Fpostgresql/d"),
        [named("/run/postgresql", None)]
    );
}

#[test]
fn a_server_that_must_write_is_asked_for_by_name() {
    for (target, must_be_writable) in [("any", false), ("read-write", true), ("primary", true)] {
        let url = parsed(&format!("postgres://h1,h2/d?target_session_attrs={target}"));
        assert_eq!(url.must_be_writable, must_be_writable, "{target}");
    }
    for target in ["read-only", "standby", "prefer-standby", "nonsense"] {
        let refusal = refusal(&format!("postgres://h1,h2/d?target_session_attrs={target}"));
        assert!(refusal.contains("target_session_attrs"), "{refusal}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_its_name() {
    for (parameter, part) in [
        ("sslpassword=Tr0ub4dor-zq", "sslpassword"),
        ("connect_timeout=10", "connect_timeout"),
        ("hostaddr=10.0.0.1", "hostaddr"),
        ("channel_binding=require", "channel_binding"),
        ("sslmode=Tr0ub4dor-zq", "sslmode"),
        ("sslrootcert=/nowhere/ca.pem", "sslrootcert"),
        ("Tr0ub4dor-zq=1", "a parameter that is no name"),
        ("user=a&user=b", "says user twice"),
        ("host=a&host=b", "says host twice"),
        ("port=1,2", "another number of ports"),
    ] {
        let refusal = refusal(&format!("postgres://h/d?{parameter}"));
        assert!(
            refusal.starts_with("DATABASE_URL ") && refusal.contains(part),
            "{refusal}"
        );
        assert!(!refusal.contains(SECRET), "{refusal}");
    }
}

/// F3: the forms in which a password with special characters breaks a URL.
#[test]
fn no_part_of_a_password_that_breaks_the_url_is_shown() {
    for url in [
        "postgres://u:Tr0ub4dor#Tr0ub4dor-zq@h/d",
        "postgres://u:Tr0ub4dor/Tr0ub4dor-zq@h/d",
        "postgres://u:Tr0ub4dor?Tr0ub4dor-zq@h/d",
        "postgres://u:Tr0ub4dor?a=Tr0ub4dor-zq@h/d",
        "postgres://u:Tr0ub4dor@Tr0ub4dor/Tr0ub4dor-zq@h/d",
        "postgres://u:Tr0ub4dor-zq@h:abc/d",
        "postgres://u:Tr0ub4dor-zq@h:5432 /d",
        "postgres://u:Tr0ub4dor-zq@h1:5432,,h2/d",
        "postgres://u:Tr0ub4dor-zq@[::1/d",
        "postgres://u:Tr0ub4dor-zq%FF@h/d",
        "mysql://u:Tr0ub4dor-zq@h/d",
    ] {
        let refusal = refusal(url);
        assert!(!refusal.contains("Tr0ub"), "{refusal}");
    }
}

#[test]
fn debug_shows_no_password() {
    let shown = format!("{:?}", parsed("postgres://u:Tr0ub4dor-zq@h/d?application_name=a"));
    assert!(!shown.contains(SECRET) && shown.contains("redacted"), "{shown}");
}

proptest! {
    /// Whatever stands in it, the text of a refusal has no eight characters of it in a row that are not ours anyway.
    #[test]
    fn a_refusal_never_quotes_the_url(password in "[A-Z0-9@:/?#%&=,+ \\[\\]-]{12,40}", host in "[a-z]{1,8}") {
        let url = format!("postgres://user:{password}@{host}/db");
        if let Err(error) = DatabaseUrl::parse(&url) {
            let text = error.to_string();
            let quoted = password.as_bytes().windows(8).find(|part| {
                std::str::from_utf8(part).is_ok_and(|part| text.contains(part) && part.bytes().any(|b| b.is_ascii_uppercase()))
            });
            prop_assert!(quoted.is_none(), "{text}");
        }
    }

    /// What was encoded by the rules arrives as it was.
    #[test]
    fn any_password_arrives_as_it_was(password in "\\PC{1,30}") {
        let url = format!("postgres://user:{}@host/db", encoded(&password));
        let url = parsed(&url);
        let kept = url.parameters.iter().find(|(name, _)| *name == "password");
        prop_assert_eq!(kept.map(|(_, value)| value.expose()), Some(password.as_str()));
    }
}
