//! What one account may hold has a bound, and ending all of it takes effect at once (R34).

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryOrder, Set};
use slipway::store::{ROWS_AT_ONCE, session};
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::{Client, PASSWORD, Storage, TestServer, count, on_both_storages};

on_both_storages! {
    a_sign_in_beyond_the_limit_ends_the_oldest_session_at_once,
    a_session_that_has_ended_counts_for_nothing,
    sign_ins_at_the_same_moment_leave_as_many_sessions_as_the_limit_says,
    an_account_with_far_more_sessions_from_before_is_within_the_limit_after_one_sign_in,
    the_list_of_sessions_comes_page_by_page_newest_first,
    what_ends_or_begins_meanwhile_moves_nothing_from_one_page_to_another,
    signing_out_everywhere_ends_any_number_of_sessions_by_one_row_at_once,
    the_rows_of_sessions_that_ended_all_at_once_are_deleted_soon,
    a_refresh_during_a_sign_out_everywhere_leaves_nothing_alive,
    the_id_of_a_new_session_is_greater_than_that_of_one_from_the_future,
}

/// Enough that one request cannot change or delete the rows of all of them.
const FAR_MORE: usize = 1_200;

async fn signed_in(server: &TestServer) -> Client {
    let mut client = server.client();
    assert_eq!(client.login("ada", PASSWORD).await.status, 200);
    client
}

async fn assert_over(client: &mut Client) {
    assert_eq!(client.me().await.assert_problem(401), "session_ended");
    assert_eq!(client.refresh().await.assert_problem(401), "session_ended");
}

/// As many more live sessions of the only account, which began after those that it has and before those to come.
async fn add_sessions(server: &TestServer, db: &DatabaseConnection, many: usize) {
    let newest = session::Entity::find().order_by_desc(session::Column::Id);
    let newest = newest.one(db).await.unwrap().unwrap();
    let another = |_| {
        let mut row = newest.clone().into_active_model().reset_all();
        row.id = Set(Uuid::now_v7());
        row
    };
    let rows: Vec<_> = (0..many).map(another).collect();
    for some in rows.chunks(300) {
        session::Entity::insert_many(some.to_vec()).exec(db).await.unwrap();
    }
    // Their ids carry the time of this machine, which runs while the server's stands still.
    server.step_seconds(60);
}

/// The cursor of the next page.
fn next(link: &str) -> String {
    let link = link
        .strip_prefix("</")
        .map_or(link, |_| panic!("not relative to the page: {link}"));
    let query = link
        .strip_prefix("<?limit=")
        .unwrap()
        .strip_suffix(">; rel=\"next\"")
        .unwrap();
    query.split_once("&cursor=").unwrap().1.to_owned()
}

/// The ids of a page, how many of its sessions are the current one, and where the next page begins.
async fn page(client: &Client, limit: usize, cursor: Option<&str>) -> (Vec<String>, usize, Option<String>) {
    let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let answer = client.get(&format!("/sessions?limit={limit}{cursor}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sessions = answer.json().as_array().unwrap().clone();
    let current = sessions.iter().filter(|session| session["current"] == true).count();
    let ids = sessions
        .iter()
        .map(|session| session["id"].as_str().unwrap().to_owned());
    (ids.collect(), current, answer.header("link").map(next))
}

/// OWASP ASVS 7.1.2
async fn a_sign_in_beyond_the_limit_ends_the_oldest_session_at_once(server: TestServer) {
    let server = server.another(&["--max-sessions-per-account=3"]).await;
    let mut oldest = server.signed_up("ada").await;
    let others = [signed_in(&server).await, signed_in(&server).await];
    assert_eq!(
        oldest.refresh().await.status,
        200,
        "so many are allowed, and to use one makes it no newer"
    );
    let newest = signed_in(&server).await;
    assert_over(&mut oldest).await;
    assert_eq!(newest.sessions().await.len(), 3);
    for mut client in others.into_iter().chain([newest]) {
        assert_eq!((client.me().await.status, client.refresh().await.status), (200, 200));
    }
}

async fn a_session_that_has_ended_counts_for_nothing(server: TestServer) {
    let server = server.another(&["--max-sessions-per-account=2"]).await;
    let mut first = server.signed_up("ada").await;
    for _ in 0..3 {
        signed_in(&server).await.logout().await;
    }
    assert_eq!(first.refresh().await.status, 200);
    signed_in(&server).await;
    assert_eq!(first.refresh().await.status, 200);
}

async fn sign_ins_at_the_same_moment_leave_as_many_sessions_as_the_limit_says(server: TestServer) {
    let server = server.another(&["--max-sessions-per-account=3"]).await;
    server.signed_up("ada").await;
    let clients = join_all((0..12).map(|_| signed_in(&server))).await;
    let statuses = join_all(clients.iter().map(Client::me)).await;
    let live = statuses.iter().filter(|answer| answer.status == 200).count();
    // Of two sign-ins that are beyond the limit at the same moment, each may end what the other would keep.
    assert!((1..=3).contains(&live), "{live} are live");
    assert!(signed_in(&server).await.sessions().await.len() <= 3);
}

/// The work of the sign-in is bounded, too: the account's row, and so many of the sessions.
async fn an_account_with_far_more_sessions_from_before_is_within_the_limit_after_one_sign_in(server: TestServer) {
    let mut oldest = server.signed_up("ada").await;
    let db = server.database().await;
    add_sessions(&server, &db, FAR_MORE).await;
    let (mut newer, newest) = (signed_in(&server).await, signed_in(&server).await);
    assert_over(&mut oldest).await;
    assert_eq!(newest.sessions().await.len(), 100);
    assert_eq!((newer.me().await.status, newer.refresh().await.status), (200, 200));
    let changed = count(&db, "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await;
    assert!(
        changed.unsigned_abs() <= 2 * ROWS_AT_ONCE,
        "{changed} rows by two sign-ins"
    );
}

async fn the_list_of_sessions_comes_page_by_page_newest_first(server: TestServer) {
    let client = server.signed_up("ada").await;
    let mut expected = vec![client.me().await.json()["session_id"].as_str().unwrap().to_owned()];
    for _ in 0..6 {
        let me = signed_in(&server).await.me().await.json();
        expected.insert(0, me["session_id"].as_str().unwrap().to_owned());
    }
    let (first, none, cursor) = page(&client, 3, None).await;
    let (second, nor_here, cursor) = page(&client, 3, cursor.as_deref()).await;
    let (third, current, end) = page(&client, 3, cursor.as_deref()).await;
    assert_eq!([first, second, third].concat(), expected);
    assert_eq!((none, nor_here, current, end), (0, 0, 1, None));
    let whole = page(&client, 7, None).await;
    assert_eq!(whole, (expected, 1, None), "a page that is just full is the last one");

    for (query, detail) in [
        ("limit=0", "limit: must be at least 1."),
        ("limit=101", "limit: must be at most 100."),
        (
            "cursor=x",
            "cursor: must be the cursor of a `Link` that came with another page.",
        ),
    ] {
        let answer = client.get(&format!("/sessions?{query}")).await;
        assert_eq!(
            (answer.assert_problem(422), answer.detail()),
            ("invalid_input".to_owned(), detail.to_owned())
        );
    }
}

async fn what_ends_or_begins_meanwhile_moves_nothing_from_one_page_to_another(server: TestServer) {
    let client = server.signed_up("ada").await;
    for _ in 0..6 {
        signed_in(&server).await;
    }
    let (all, ..) = page(&client, 100, None).await;
    let (first, _, cursor) = page(&client, 2, None).await;
    signed_in(&server).await;
    for ended in [&all[1], &all[2], &all[3]] {
        assert_eq!(client.end_session(ended).await.status, 200);
    }
    let (rest, _, end) = page(&client, 100, cursor.as_deref()).await;
    assert_eq!((first, rest, end), (all[..2].to_vec(), all[4..].to_vec(), None));
}

async fn signing_out_everywhere_ends_any_number_of_sessions_by_one_row_at_once(server: TestServer) {
    let mut phone = server.signed_up("ada").await;
    let db = server.database().await;
    add_sessions(&server, &db, FAR_MORE).await;
    // Another instance allows more, so that this sign-in ends none.
    let generous = server.another(&["--max-sessions-per-account=10000"]).await;
    let mut laptop = signed_in(&generous).await.at(&server.url);
    assert_eq!((phone.me().await.status, laptop.me().await.status), (200, 200));
    assert_eq!(laptop.logout_all().await.status, 200);
    assert_over(&mut phone).await;
    assert_over(&mut laptop).await;
    let mut again = signed_in(&server).await;
    assert_eq!(again.sessions().await.len(), 1);
    assert_eq!((again.me().await.status, again.refresh().await.status), (200, 200));
    assert_over(&mut phone).await;
    let changed = count(&db, "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL").await;
    assert_eq!(changed.unsigned_abs(), ROWS_AT_ONCE);
}

/// Those whose own rows do not say that they are over: the previous version, which a deploy may go back to, believes them.
async fn the_rows_of_sessions_that_ended_all_at_once_are_deleted_soon(server: TestServer) {
    let client = server.signed_up("ada").await;
    let other = server.signed_up("bob").await;
    let db = server.database().await;
    add_sessions(&server, &db, FAR_MORE).await;
    // Of Bob, whose row is the newest.
    assert_eq!(other.logout_all().await.status, 200);
    let unended = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    for _ in 0..1200 {
        if count(&db, unended).await == 1 {
            assert_eq!(client.me().await.status, 200);
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{} rows are left after a minute", count(&db, unended).await);
}

async fn a_refresh_during_a_sign_out_everywhere_leaves_nothing_alive(server: TestServer) {
    for round in 0..5 {
        let mut clients = vec![server.signed_up(&format!("user{round}")).await];
        for _ in 0..5 {
            let mut client = server.client();
            client.login(&format!("user{round}"), PASSWORD).await;
            clients.push(client);
        }
        let ending = clients[0].clone();
        let refreshes = join_all(clients.iter_mut().map(Client::refresh));
        let (_, ended) = tokio::join!(refreshes, ending.logout_all());
        assert_eq!(ended.status, 200);
        for client in &mut clients {
            assert_over(client).await;
        }
    }
}

/// The clock of an instance that made the newest session is ahead by ten minutes.
async fn the_id_of_a_new_session_is_greater_than_that_of_one_from_the_future(server: TestServer) {
    let mut client = server.signed_up("ada").await;
    let db = server.database().await;
    let ahead = chrono::Utc::now() + TimeDelta::minutes(10);
    let seconds = ahead.timestamp().unsigned_abs();
    let newest = session::Entity::find().one(&db).await.unwrap().unwrap();
    let mut row = newest.into_active_model().reset_all();
    row.id = Set(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)));
    row.insert(&db).await.unwrap();
    let mut before = signed_in(&server).await;
    assert_eq!(client.sessions().await.len(), 3);
    assert_eq!(client.logout_all().await.status, 200);
    assert_over(&mut client).await;
    assert_over(&mut before).await;
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let mut after = signed_in(&server).await;
        assert_eq!((after.me().await.status, after.refresh().await.status), (200, 200));
        ids.insert(after.me().await.json()["session_id"].to_string());
    }
    assert_eq!(ids.len(), 3);
}

/// As many sessions of the only account that are older than those that it has.
const FROM_BEFORE: &str = "INSERT INTO sessions (id, user_id, generation, rotated_at, grace_generation, grace_until, \
    created_at, expires_at, absolute_expires_at, user_agent, ip) \
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' \
        || substr(md5(n::text), 4, 15))::uuid, \
    user_id, generation, rotated_at, grace_generation, grace_until, created_at, expires_at, absolute_expires_at, \
    user_agent, ip FROM sessions, generate_series(1, 50000) n";

/// Rows of the table that PostgreSQL has read so far, in whatever way, and how often it looked for some.
async fn reads(db: &DatabaseConnection) -> (i64, i64) {
    let of = |sum: &str| format!("SELECT ({sum})::bigint FROM pg_stat_user_tables WHERE relname = 'sessions'");
    let rows = count(db, &of("seq_tup_read + idx_tup_fetch")).await;
    (rows, count(db, &of("seq_scan + idx_scan")).await)
}

/// How many rows `work` reads. A connection reports that a second after its work.
async fn reads_of<F: Future>(db: &DatabaseConnection, work: impl FnOnce() -> F) -> i64 {
    sleep(Duration::from_secs(2)).await;
    let (before, scans) = reads(db).await;
    work().await;
    loop {
        sleep(Duration::from_secs(2)).await;
        let (rows, now) = reads(db).await;
        if now > scans {
            return rows - before;
        }
    }
}

/// What a request costs the database does not grow with the sessions that an account has or had.
#[tokio::test]
async fn no_request_reads_more_sessions_than_it_needs_on_postgres_and_valkey() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let client = server.signed_up("ada").await;
    let db = server.database().await;
    db.execute_unprepared(FROM_BEFORE).await.unwrap();
    db.execute_unprepared("VACUUM ANALYZE sessions").await.unwrap();
    let page = reads_of(&db, || page(&client, 100, None)).await;
    assert!(page <= 250, "{page} rows for a page");
    // All but the newest, and nothing is left to clean up.
    let end = "UPDATE users SET sessions_ended_through = (SELECT id FROM sessions ORDER BY id DESC OFFSET 1 LIMIT 1)";
    db.execute_unprepared(end).await.unwrap();
    let sign_in = reads_of(&db, || signed_in(&server)).await;
    assert!(sign_in <= 250, "{sign_in} rows for a sign-in");
    assert_eq!(client.sessions().await.len(), 2);
}
