use clap::Parser;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789ABCDEF";

fn options(arguments: &[&str]) -> Options {
    Options::parse_from([&["slipway"], arguments].concat())
}

fn error(arguments: &[&str]) -> String {
    Config::from_options(&options(arguments)).unwrap_err().to_string()
}

fn with_secret<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--database-url", "postgres://x/y", "--jwt-secret", SECRET], arguments].concat()
}

/// R9: the server refuses to start with a missing, short or default secret.
#[test]
fn a_short_or_placeholder_secret_is_refused_with_the_mend() {
    let short = error(&["--jwt-secret", "short"]);
    assert_eq!(
        short,
        "JWT_SECRET has 5 bytes and needs at least 32: make one with: openssl rand -base64 48"
    );
    assert!(error(&["--jwt-secret", "changeme-changeme-changeme-changeme"]).contains("placeholder"));
    assert!(error(&["--jwt-secret", &"a".repeat(40)]).contains("placeholder"));
    let previous = error(&with_secret(&["--jwt-secret-previous", "old"]));
    assert!(previous.starts_with("JWT_SECRET_PREVIOUS has 3 bytes"), "{previous}");
}

/// F39: `echo`, editors and secret stores end a secret with a line end, and not everywhere where it is set.
#[test]
fn a_line_end_or_a_blank_around_a_secret_does_not_count() {
    let previous = format!(" {}\r\n", "fedcba9876543210fedcba9876543210-previous");
    let secrets = |current: &str| {
        let options = options(&with_secret(&["--jwt-secret-previous", &previous]));
        let options = Options {
            jwt_secret: Some(current.to_owned()),
            ..options
        };
        let tokens = Config::from_options(&options).unwrap().tokens;
        tokens
            .accepted()
            .map(|secret| secret.expose().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(secrets(&format!("{SECRET}\n")), [SECRET, previous.trim()]);
    let blank = error(&["--jwt-secret", &" ".repeat(40)]);
    assert!(blank.starts_with("JWT_SECRET has 0 bytes"), "{blank}");
}

/// R6, R9: production guesses nothing that matters.
#[test]
fn production_names_everything_that_is_missing_or_unsafe_at_once() {
    let message = error(&[
        "--slipway-env",
        "production",
        "--refresh-cookie-secure",
        "false",
        "--refresh-cookie-samesite",
        "none",
    ]);
    for setting in [
        "DATABASE_URL",
        "JWT_SECRET",
        "REFRESH_COOKIE_SECURE",
        "REFRESH_COOKIE_SAMESITE",
    ] {
        assert!(message.contains(setting), "{setting} is not named in: {message}");
    }
}

/// Security finding H3.
#[test]
fn production_starts_with_a_risk_only_where_it_is_accepted_by_name() {
    let production = |arguments: &[&str]| {
        let options = options(&with_secret(&[&["--slipway-env=production"], arguments].concat()));
        Config::from_options(&options)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    for (risky, named, risk) in [
        ("--argon2-memory-kib=8192", "ARGON2_MEMORY_KIB=8192", "weak-hashes"),
        ("--argon2-iterations=1", "ARGON2_ITERATIONS=1", "weak-hashes"),
        ("--rate-limit-per-address=0", "RATE_LIMIT_PER_ADDRESS=0", "no-limits"),
        ("--rate-limit-per-account=0", "RATE_LIMIT_PER_ACCOUNT=0", "no-limits"),
        (
            "--allowed-origins=https://a.example,http://b.example",
            "http://b.example",
            "plain-origins",
        ),
        ("--trusted-proxies=10.0.0.0/8,0.0.0.0/0", "0.0.0.0/0", "any-proxy"),
        ("--trusted-proxies=::/0", "::/0", "any-proxy"),
        (
            "--jwt-secret-previous=passwordpasswordpasswordpassword",
            "JWT_SECRET_PREVIOUS",
            "weak-secret",
        ),
        (
            "--metrics-token=0101010101010101010101010101010101",
            "METRICS_TOKEN",
            "weak-secret",
        ),
    ] {
        let refused = production(&[risky]).unwrap_err();
        assert!(refused.contains(named), "{refused}");
        assert!(refused.ends_with(&format!("or set ACCEPT_RISKS={risk})")), "{refused}");
        assert_eq!(
            production(&[
                risky,
                "--accept-risks=any-proxy,weak-hashes,no-limits,plain-origins,weak-secret"
            ]),
            Ok(())
        );
        assert!(
            Config::from_options(&options(&with_secret(&[risky]))).is_ok(),
            "in development"
        );
    }
    for fine in [
        "--argon2-memory-kib=46000",
        "--trusted-proxies=10.0.0.0/8",
        "--allowed-origins=https://a.example",
    ] {
        assert_eq!(production(&[fine]), Ok(()), "{fine}");
    }
    let stronger_otherwise = ["--argon2-memory-kib=12288", "--argon2-iterations=3"];
    assert_eq!(production(&stronger_otherwise), Ok(()));
}

#[test]
fn production_defaults_to_secure_cookies_a_drain_and_no_foreign_origin() {
    let options = options(&with_secret(&["--slipway-env", "production"]));
    let config = Config::from_options(&options).unwrap();
    assert!(config.cookie.secure);
    assert_eq!(config.drain, Duration::from_secs(20));
    assert!(!config.allowed_origins.contains("http://localhost:5173"));
    assert_eq!(options.log_format(), LogFormat::Json);
}

#[test]
fn wrong_urls_and_addresses_name_the_setting_and_the_form() {
    assert!(error(&["--database-url", "mysql://x", "--jwt-secret", SECRET]).starts_with("DATABASE_URL"));
    assert!(error(&with_secret(&["--redis-url", "localhost:6379"])).starts_with("REDIS_URL"));
    assert!(error(&with_secret(&["--listen", "8000"])).starts_with("LISTEN=8000"));
    for origin in [
        "*",
        "https://*",
        "https://*.com",
        "https://*..com",
        "https://*.com.",
        "https://*.com:8443",
        "https://a*.example.com",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "http://*.example.com",
        "https://*.example.com/",
        "https://*.example.com\"",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com\" \"*",
        "https://app.example.com;",
        "https://bücher.example",
    ] {
        let message = error(&with_secret(&["--allowed-origins", origin]));
        assert!(message.starts_with("ALLOWED_ORIGINS"), "{message}");
    }
}

#[test]
fn a_pattern_allows_each_host_with_one_label_more_and_no_other() {
    let pattern = "--allowed-origins=https://*.Preview.example.com, https://*.example.org:8443";
    let config = Config::from_options(&options(&with_secret(&[pattern]))).unwrap();
    for allowed in [
        "https://a.preview.example.com",
        "https://feature-7.preview.example.com",
        "https://x.example.org:8443",
    ] {
        assert!(config.allowed_origins.contains(allowed), "{allowed}");
    }
    for foreign in [
        "https://preview.example.com",
        "https://.preview.example.com",
        "https://a.b.preview.example.com",
        "http://a.preview.example.com",
        "https://a.preview.example.com:8443",
        "https://a.preview.example.com.evil.example",
        "https://evil.example/.preview.example.com",
        "https://evil.example#.preview.example.com",
        "https://x@y.preview.example.com",
        "https://apreview.example.com",
        "https://A.preview.example.com",
        "https://x.example.org",
        "null",
    ] {
        assert!(!config.allowed_origins.contains(foreign), "{foreign}");
    }
}

/// R18: a secret does not show wherever the configuration is printed.
#[test]
fn the_debug_output_of_a_configuration_holds_no_secret() {
    let options = options(&[
        "--database-url",
        "postgres://u:hunter2@x/y",
        "--redis-url",
        "redis://:pw9@h",
        "--jwt-secret",
        SECRET,
    ]);
    let shown = format!("{:?}", Config::from_options(&options).unwrap());
    assert!(
        !shown.contains(SECRET) && !shown.contains("hunter2") && !shown.contains("pw9"),
        "{shown}"
    );
}

#[test]
fn the_development_secret_is_generated_once_and_only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("new/slipway.db").display());
    let secret = || {
        Config::from_options(&options(&["--database-url", &url]))
            .unwrap()
            .tokens
            .signing
    };
    let first = secret();
    assert_eq!(first, secret());
    let file = folder.path().join("new/jwt_secret");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}
