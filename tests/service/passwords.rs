//! Passwords as they are typed on different machines, and hashes that this server did not make.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::support::{PASSWORD, ServerProcess, TestServer, count, on_both_storages};

/// `Grüße Zoë é1`, as most systems type it, as macOS does, and with a space that some keyboards have beside the usual one.
const COMPOSED: &str = "Gr\u{fc}\u{df}e Zo\u{eb} \u{e9}1";
const DECOMPOSED: &str = "Gru\u{308}\u{df}e Zoe\u{308} e\u{301}1";
const WITH_ANOTHER_SPACE: &str = "Gr\u{fc}\u{df}e\u{a0}Zo\u{eb}\u{2003}\u{e9}1";

on_both_storages! {
    a_password_is_one_however_its_characters_are_composed,
    a_stored_hash_of_another_kind_is_answered_as_an_unknown_name,
    an_account_that_was_moved_here_signs_in_with_its_old_password_and_gets_a_new_hash,
    what_nobody_can_have_as_a_name_or_password_is_wrong_and_not_invalid_at_sign_in,
    passwords_and_names_that_nobody_should_have_are_refused_with_the_reason,
}

/// F14, RFC 8265 (OpaqueString)
async fn a_password_is_one_however_its_characters_are_composed(server: TestServer) {
    let forms = [COMPOSED, DECOMPOSED, WITH_ANOTHER_SPACE];
    for (number, registered) in forms.into_iter().enumerate() {
        let username = format!("zoe{number}");
        let credentials = json!({"username": username, "password": registered});
        assert_eq!(server.client().post("/register", &credentials).await.status, 201);
        for typed in forms {
            let mut client = server.client();
            assert_eq!(
                client.login(&username, typed).await.status,
                200,
                "{registered:?} {typed:?}"
            );
            assert_eq!(client.change_password(typed, registered).await.status, 200);
        }
        for other in [COMPOSED.to_uppercase(), COMPOSED.replace(' ', "")] {
            let answer = server.client().login(&username, &other).await;
            assert_eq!(answer.assert_problem(401), "invalid_credentials", "{other:?}");
        }
    }
}

/// Hashes that passlib 1.7.4 made of `secret` (six characters, which were enough there), `pässword` and 80 letters.
async fn an_account_that_was_moved_here_signs_in_with_its_old_password_and_gets_a_new_hash(server: TestServer) {
    server.signed_up("ada").await;
    let database = server.database().await;
    let long = "x".repeat(80);
    for (hash, password) in [
        (BCRYPT_2B, "secret"),
        (BCRYPT_2A, "p\u{e4}ssword"),
        (BCRYPT_2Y, long.as_str()),
    ] {
        let update = format!("UPDATE users SET password_hash = '{hash}'");
        database.execute_unprepared(&update).await.unwrap();
        let wrong = server.client().login("ada", "another password").await;
        assert_eq!(wrong.assert_problem(401), "invalid_credentials");
        assert_eq!(count(&database, MOVED).await, 0);
        for _ in 0..2 {
            assert_eq!(server.client().login("ada", password).await.status, 200, "{hash}");
            assert_eq!(count(&database, MOVED).await, 1, "it is replaced at the first sign-in");
        }
    }
}

const BCRYPT_2B: &str = "$2b$12$NfXaDi0o8/7I3YZgmTBg0uV.CFnuFAaSSgRxn9zp.FP26Pa.1uRtC";
const BCRYPT_2A: &str = "$2a$10$d6tEutkrOn1bi7HUkeHcaOxWGaoOFcQDF9H2HLsHTvdHXtxcgzidq";
const BCRYPT_2Y: &str = "$2y$10$CtvUh0egIkvI3uB4Pk3/T.1/7igu5pgoqGv3pKjnTEa6KAmDK9O1i";
const MOVED: &str = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$%'";

/// R11: whatever is typed, it is one answer.
async fn what_nobody_can_have_as_a_name_or_password_is_wrong_and_not_invalid_at_sign_in(server: TestServer) {
    let client = server.signed_up("ada").await;
    let (long_name, long_password) = ("a".repeat(65), "p".repeat(10_000));
    for (username, password) in [
        ("ada", ""),
        ("ada", "short"),
        ("ada", &long_password),
        ("", PASSWORD),
        ("a/b c", PASSWORD),
        ("\u{fc}", PASSWORD),
        (&long_name, PASSWORD),
    ] {
        let answer = server.client().login(username, password).await;
        assert_eq!(answer.assert_problem(401), "invalid_credentials", "{username:?}");
    }
    for current in ["", "short", &long_password] {
        let answer = client.clone().change_password(current, "another password").await;
        assert_eq!(answer.assert_problem(403), "wrong_password");
    }
}

/// Security finding F12; OWASP ASVS 6.2.4, NIST SP 800-63B-4.
async fn passwords_and_names_that_nobody_should_have_are_refused_with_the_reason(server: TestServer) {
    let register = |username: &str, password: &str| {
        let credentials = json!({"username": username, "password": password});
        let client = server.client();
        async move { client.post("/register", &credentials).await }
    };
    for password in [
        "password",
        "12345678",
        "Passw0rd!",
        "qwertyuiop",
        "ada.lovelace",
        "slipway123",
    ] {
        let refused = register("ada.lovelace", password).await;
        assert_eq!(refused.assert_problem(422), "password_easily_guessed");
        assert!(refused.detail().starts_with("password: "), "{}", refused.detail());
    }
    for name in ["admin", "Root", "slipway"] {
        let refused = register(name, PASSWORD).await;
        assert_eq!(refused.assert_problem(422), "username_reserved");
    }
    assert_eq!(register("ada+slipway@example.com", PASSWORD).await.status, 201);
    let mut ada = server.signed_up("ada.lovelace").await;
    let refused = ada.change_password(PASSWORD, "lovelace1").await;
    assert!(refused.detail().starts_with("new_password: "), "{}", refused.detail());
    assert_eq!(refused.assert_problem(422), "password_easily_guessed");
    assert_eq!(ada.me().await.status, 200);
}

/// F9: a 500 showed which accounts exist.
async fn a_stored_hash_of_another_kind_is_answered_as_an_unknown_name(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let unknown = server.client().login("nobody", PASSWORD).await;
    let database = server.database().await;
    for hash in [
        "$2b$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$1$salt$0VHJMkr5lRmrDWzzcS0Ww0",
        "!",
        "",
        "$argon2id$v=19$m=64,t=1,p=1",
    ] {
        let update = format!("UPDATE users SET password_hash = '{hash}'");
        database.execute_unprepared(&update).await.unwrap();
        let before = server.password_hashes().await;
        for password in [PASSWORD, "wrong horse battery"] {
            let answer = server.client().login("ada", password).await;
            assert_eq!(answer.assert_problem(401), "invalid_credentials", "{hash}");
            let mut body = answer.json();
            body["request_id"] = unknown.json()["request_id"].clone();
            assert_eq!(body, unknown.json(), "{hash}");
        }
        // R11: each costs what an unknown name costs.
        assert_eq!(server.password_hashes().await, before + 2, "{hash}");
        let change = client.change_password(PASSWORD, "another password").await;
        assert_eq!(change.assert_problem(403), "wrong_password", "{hash}");
    }
}

/// F9: an operator sees whose it is, and never the hash.
#[tokio::test]
async fn an_attempt_against_a_hash_of_another_kind_is_logged_once_without_the_hash() {
    let mut process = ServerProcess::start(&[("LOG_FORMAT", "json")]);
    let mut client = process.client().await;
    client.register("ada").await;
    let id = client.me().await.json()["id"].as_str().unwrap().to_owned();
    let url = format!("sqlite:{}", process.folder.path().join("data/slipway.db").display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let update = "UPDATE users SET password_hash = '$2b$12$N9qo8uLOickgx2ZMRZoMye'";
    database.execute_unprepared(update).await.unwrap();
    for _ in 0..2 {
        assert_eq!(client.login("ada", PASSWORD).await.status, 401);
    }
    process.signal("TERM");
    process.exit(Duration::from_secs(20)).await;
    let output = process.output();
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| line.contains("unverifiable_hash"))
        .collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert!(lines.iter().all(|line| line.contains(&id)), "{lines:?}");
    assert!(
        !output.contains("N9qo8uLOickgx2ZMRZoMye") && !output.contains("\"ERROR\""),
        "{output}"
    );
}
