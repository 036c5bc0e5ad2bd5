//! Somebody who uses the service, keeps at it while it fails, and remembers what it acknowledged.
//!
//! A person does one thing after the other, so what must be true is always known: an operation is repeated until an
//! answer tells what came of it. Only tabs that are restored together act at the same time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use slipway::auth::{ACCESS_TOKEN_LIFETIME, GRACE_WINDOW};
use tokio::time::{sleep, timeout};

use crate::random::Random;
use crate::report::Report;
use crate::support::{Answer, Client};

/// One attempt in so many is given up by its client, who closes the connection and tries again.
const HANGS_UP_ONE_IN: u64 = 10;
/// Nobody who hangs up waits longer: what they asked for takes a few milliseconds.
const LONGEST_PATIENCE_MICROS: u64 = 20_000;
/// How long somebody waits before trying again; the demo client asks once a second at most.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// What is in front of people, and what it has promised.
#[derive(Clone)]
pub(crate) struct Service {
    /// Of the instances, to any of which a request may come.
    pub(crate) urls: Vec<String>,
    /// For so long after the end of a session was acknowledged its access token may still be accepted
    /// (docs/SESSIONS.md): not at all by an instance that has ended it itself.
    pub(crate) bound: Duration,
}

pub(crate) struct Person {
    name: String,
    client: Client,
    service: Service,
    random: Random,
    /// Decides which attempts are given up, and which instance gets them; they differ in number from run to run.
    patience: Mutex<Random>,
    report: Report,
    registrations: u32,
    account: Account,
    /// What this person registered before.
    earlier: Vec<Account>,
}

/// What the service has acknowledged about one account.
#[derive(Default)]
struct Account {
    username: String,
    password: String,
    /// The first is that of this browser, the others are on other devices.
    sessions: Vec<Session>,
}

struct Session {
    /// Holds the cookie and the access token.
    client: Client,
    id: String,
    has_token_since: Instant,
    is_live: bool,
    /// When its end was acknowledged.
    ended_at: Option<Instant>,
}

/// An answer that tells what came of an operation.
struct Told {
    answer: Answer,
    /// When the first of those attempts began whose outcome is not known.
    in_doubt_since: Option<Instant>,
}

impl Person {
    pub(crate) fn new(number: u64, seed: u64, service: Service, report: Report) -> Self {
        Self {
            name: format!("person{number}"),
            client: Client::new(&service.urls[0]),
            service,
            random: Random::new(seed, 100 + number),
            patience: Mutex::new(Random::new(seed, 1000 + number)),
            report,
            registrations: 0,
            account: Account::default(),
            earlier: Vec::new(),
        }
    }

    /// Does one thing after the other until the deadline.
    pub(crate) async fn live(mut self, deadline: Instant) -> Self {
        self.register().await;
        while Instant::now() < deadline {
            sleep(Duration::from_millis(self.random.between(10, 150))).await;
            if !self.account.sessions.first().is_some_and(|session| session.is_live) {
                self.sign_in_here().await;
                continue;
            }
            match self.random.between(0, 100) {
                0..8 => self.register().await,
                8..28 => self.look(0).await,
                28..40 => self.use_an_ended_session().await,
                40..58 => self.refresh(0, None).await,
                58..68 => self.restore_tabs().await,
                68..76 => self.sign_in().await,
                76..84 => self.sign_out().await,
                84..88 => self.end_another_session().await,
                88..91 => self.sign_out_everywhere().await,
                91..95 => self.change_password().await,
                _ => self.list_sessions().await,
            }
        }
        self
    }

    /// Goes on at another service, which must know everything that this one acknowledged.
    pub(crate) fn turn_to(&mut self, service: &Service) {
        self.service = service.clone();
    }

    /// Keeps what was acknowledged, and no connection.
    pub(crate) fn close_connections(&mut self) {
        self.client = self.client.on_new_connections();
        for account in self.earlier.iter_mut().chain([&mut self.account]) {
            for session in &mut account.sessions {
                session.client = session.client.on_those_of(&self.client);
            }
        }
    }

    /// Every session that has ended is refused by every instance, not only by the one that ended it.
    pub(crate) async fn check_that_all_instances_know(&self) {
        let accounts = self.earlier.iter().chain([&self.account]);
        let ended = accounts
            .flat_map(|account| &account.sessions)
            .filter(|session| !session.is_live);
        for session in ended {
            for url in &self.service.urls {
                let one = Service {
                    urls: vec![url.clone()],
                    ..self.service.clone()
                };
                let told = self
                    .insist_at(&one, "use an ended session", &session.client, Method::GET, "/me", None)
                    .await;
                if told.answer.status != 401 {
                    let since = session.ended_at.map(|ended| ended.elapsed());
                    let rule = format!("{url} does not know of a session that ended {since:?} ago");
                    self.violation(&rule, &told.answer);
                }
            }
        }
    }

    /// Looks whether everything is as it was acknowledged.
    pub(crate) async fn check_everything(mut self) {
        let current = std::mem::take(&mut self.account);
        for account in self.earlier.drain(..).chain([current]).collect::<Vec<_>>() {
            self.account = account;
            let ended: Vec<bool> = self.account.sessions.iter().map(|session| !session.is_live).collect();
            for (number, has_ended) in ended.into_iter().enumerate() {
                if has_ended {
                    self.check_that_it_has_ended(number).await;
                } else {
                    self.refresh(number, None).await;
                    self.look(number).await;
                }
            }
            self.sign_in().await;
            self.report.note("accounts found again");
        }
    }

    async fn register(&mut self) {
        self.registrations += 1;
        let account = Account {
            username: format!("{}.{}", self.name, self.registrations),
            password: "correct horse battery".to_owned(),
            sessions: Vec::new(),
        };
        let earlier = std::mem::replace(&mut self.account, account);
        // A person who has just come has none.
        if self.registrations > 1 {
            self.earlier.push(earlier);
        }
        let body = json!({"username": self.account.username, "password": self.account.password});
        let client = self.client.clone();
        let told = self
            .insist("register", &client, Method::POST, "/register", Some(&body))
            .await;
        match told.answer.status {
            201 => self.begin_session(told.answer).await,
            409 if told.in_doubt_since.is_some() => {
                self.report
                    .note("registrations that were made although their answer was lost");
                self.sign_in().await;
            }
            _ => self.violation("a new name was not registered", &told.answer),
        }
    }

    /// In this browser, which has no session.
    async fn sign_in_here(&mut self) {
        self.sign_in().await;
        if let Some(new) = self.account.sessions.len().checked_sub(1) {
            self.account.sessions.swap(0, new);
        }
    }

    /// On another device.
    async fn sign_in(&mut self) {
        let body = json!({"username": self.account.username, "password": self.account.password});
        let client = self.client.clone();
        let told = self
            .insist("sign in", &client, Method::POST, "/login", Some(&body))
            .await;
        match told.answer.status {
            200 => self.begin_session(told.answer).await,
            _ => self.violation("an acknowledged account was refused", &told.answer),
        }
    }

    async fn begin_session(&mut self, answer: Answer) {
        let mut client = self.client.clone();
        client.keep(answer);
        self.account.sessions.push(Session {
            client,
            id: String::new(),
            has_token_since: Instant::now(),
            is_live: true,
            ended_at: None,
        });
        self.look(self.account.sessions.len() - 1).await;
    }

    /// Who am I?
    async fn look(&mut self, number: usize) {
        let age = self.account.sessions[number].has_token_since.elapsed();
        if age + Duration::from_secs(60) > ACCESS_TOKEN_LIFETIME.to_std().unwrap() {
            self.refresh(number, None).await;
        }
        let client = self.account.sessions[number].client.clone();
        if !self.account.sessions[number].is_live {
            return;
        }
        let told = self.insist("me", &client, Method::GET, "/me", None).await;
        if told.answer.status != 200 {
            self.account.sessions[number].is_live = false;
            return self.violation("the access token of a live session was refused", &told.answer);
        }
        let me = told.answer.json();
        let session = &mut self.account.sessions[number];
        let id = me["session_id"].as_str().unwrap();
        let is_right = me["username"] == self.account.username.as_str() && (session.id.is_empty() || session.id == id);
        session.id = id.to_owned();
        if !is_right {
            self.violation("somebody else was answered for", &told.answer);
        }
    }

    /// `in_doubt_since` is when this cookie was sent for the first time without an answer.
    async fn refresh(&mut self, number: usize, in_doubt_since: Option<Instant>) {
        let client = self.account.sessions[number].client.clone();
        let told = self.insist("refresh", &client, Method::POST, "/refresh", None).await;
        let in_doubt_since = in_doubt_since.or(told.in_doubt_since);
        if told.answer.status == 200 {
            return self.account.sessions[number].keep(told.answer);
        }
        self.account.sessions[number].is_live = false;
        // The documented rule: a refresh whose answer was lost has to be repeated within the grace window.
        let is_too_late = in_doubt_since.is_some_and(|since| since.elapsed() > GRACE_WINDOW.to_std().unwrap());
        if told.answer.status == 401 && is_too_late {
            self.report
                .note("sessions ended because a refresh could not be repeated within the grace window");
        } else {
            self.violation("a client that did nothing wrong was signed out", &told.answer);
        }
    }

    /// A browser that restores its tabs refreshes from all of them with the one cookie that they share.
    async fn restore_tabs(&mut self) {
        let started = Instant::now();
        let tabs = self.random.between(2, 7);
        let client = self.account.sessions[0].client.clone();
        let tabs: Vec<Client> = (0..tabs)
            .map(|_| client.at(&self.some_instance(&self.service)))
            .collect();
        let answers = join_all(tabs.iter().map(|tab| tab.try_send(Method::POST, "/refresh"))).await;
        let mut is_answered = false;
        for answer in answers {
            match answer {
                Ok(answer) if answer.status == 200 => {
                    self.report.done("refresh of a restored tab");
                    self.account.sessions[0].keep(answer);
                    is_answered = true;
                }
                Ok(answer) if answer.status < 500 => {
                    self.violation("a tab that did nothing wrong was signed out", &answer);
                }
                _ => self.report.tried_again("refresh of a restored tab"),
            }
        }
        if !is_answered {
            self.refresh(0, Some(started)).await;
        }
    }

    async fn sign_out(&mut self) {
        let client = self.account.sessions[0].client.clone();
        let told = self.insist("sign out", &client, Method::POST, "/logout", None).await;
        match told.answer.status {
            200 => self.ended(0).await,
            _ => self.violation("a session could not be ended", &told.answer),
        }
    }

    async fn end_another_session(&mut self) {
        let others = self.account.sessions.iter().skip(1);
        let Some(other) = others.clone().position(|session| session.is_live) else {
            return self.sign_in().await;
        };
        let number = other + 1;
        let client = self.account.sessions[0].client.clone();
        let path = format!("/sessions/{}", self.account.sessions[number].id);
        let told = self
            .insist("end another session", &client, Method::DELETE, &path, None)
            .await;
        match (told.answer.status, told.in_doubt_since) {
            (200, _) | (404, Some(_)) => self.ended(number).await,
            _ => self.violation("another session could not be ended", &told.answer),
        }
    }

    async fn sign_out_everywhere(&mut self) {
        let client = self.account.sessions[0].client.clone();
        let told = self
            .insist("sign out everywhere", &client, Method::POST, "/logout-all", None)
            .await;
        match (told.answer.status, told.in_doubt_since) {
            (200, _) | (401, Some(_)) => {
                for number in 0..self.account.sessions.len() {
                    self.ended(number).await;
                }
            }
            _ => self.violation("the sessions could not be ended", &told.answer),
        }
    }

    async fn change_password(&mut self) {
        let new = format!("{} {}", self.random.index(1_000_000), self.account.password.len());
        let new = format!("another password {new}");
        let body = json!({"current_password": self.account.password, "new_password": new});
        let client = self.account.sessions[0].client.clone();
        let told = self
            .insist("change password", &client, Method::POST, "/password", Some(&body))
            .await;
        match (told.answer.status, told.in_doubt_since) {
            (200, _) => {
                self.account.password = new;
                self.begin_session(told.answer).await;
                let number = self.account.sessions.len() - 1;
                self.account.sessions.swap(0, number);
                for number in 1..self.account.sessions.len() {
                    self.ended(number).await;
                }
            }
            // Refused the second time: the first time changed it, and whoever lost that answer signs in again.
            (401 | 403, Some(_)) => {
                self.account.password = new;
                for number in 0..self.account.sessions.len() {
                    self.ended(number).await;
                }
            }
            _ => self.violation("the password could not be changed", &told.answer),
        }
    }

    async fn list_sessions(&mut self) {
        let client = self.account.sessions[0].client.clone();
        let told = self
            .insist("list sessions", &client, Method::GET, "/sessions", None)
            .await;
        if told.answer.status != 200 {
            return self.violation("the sessions were not told", &told.answer);
        }
        let listed = |session: &Session| told.answer.text.contains(&session.id);
        let is_right = self
            .account
            .sessions
            .iter()
            .all(|session| listed(session) == session.is_live);
        if !is_right {
            self.violation("an ended session was listed, or a live one was not", &told.answer);
        }
    }

    /// The end of a session was acknowledged: from now on nothing of it is accepted.
    async fn ended(&mut self, number: usize) {
        self.account.sessions[number].is_live = false;
        self.account.sessions[number].ended_at = Some(Instant::now());
        self.check_that_it_has_ended(number).await;
    }

    /// One whose end was acknowledged so long ago that every instance has to refuse it, at whichever is asked.
    async fn use_an_ended_session(&mut self) {
        let bound = self.service.bound;
        let is_over = |session: &Session| session.ended_at.is_some_and(|ended| ended.elapsed() > bound);
        let sessions = self.account.sessions.iter().enumerate();
        let over: Vec<usize> = sessions
            .filter(|(_, session)| is_over(session))
            .map(|(number, _)| number)
            .collect();
        if !over.is_empty() {
            let number = over[self.random.index(over.len())];
            self.check_that_it_has_ended(number).await;
        }
    }

    /// The refresh token is refused at once, by whichever instance, and the access token within the bound: an answer to what was
    /// sent later must be 401, however busy the machine is.
    async fn check_that_it_has_ended(&self, number: usize) {
        let session = &self.account.sessions[number];
        let (client, acknowledged) = (session.client.clone(), session.ended_at.unwrap_or_else(Instant::now));
        for (method, path) in [(Method::POST, "/refresh"), (Method::GET, "/me")] {
            loop {
                let sent = Instant::now();
                let told = self
                    .insist("use an ended session", &client, method.clone(), path, None)
                    .await;
                if told.answer.status == 401 {
                    break;
                }
                if path == "/refresh" || sent.duration_since(acknowledged) > self.service.bound {
                    self.violation(&format!("{path} accepted an ended session"), &told.answer);
                    break;
                }
                sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }

    /// Repeats an operation, at whichever instance, until an answer tells what came of it.
    async fn insist(
        &self,
        operation: &'static str,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Told {
        self.insist_at(&self.service, operation, client, method, path, body)
            .await
    }

    async fn insist_at(
        &self,
        service: &Service,
        operation: &'static str,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Told {
        let attempt = || {
            let (client, method) = (client.at(&self.some_instance(service)), method.clone());
            async move { client.try_request(method, path, body).await }
        };
        let mut in_doubt_since = None;
        loop {
            let started = Instant::now();
            if let Some(patience) = self.patience() {
                let Ok(Ok(answer)) = timeout(patience, attempt()).await else {
                    self.report.note("requests whose client hung up");
                    in_doubt_since.get_or_insert(started);
                    continue;
                };
                if answer.status < 500 {
                    self.report.done(operation);
                    return Told { answer, in_doubt_since };
                }
            }
            match attempt().await {
                Ok(answer) if answer.status < 500 => {
                    self.report.done(operation);
                    return Told { answer, in_doubt_since };
                }
                Ok(answer) if ![502, 503, 504].contains(&answer.status) => {
                    self.violation("a fault was not told as one that passes", &answer);
                }
                _ => {}
            }
            self.report.tried_again(operation);
            in_doubt_since.get_or_insert(started);
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    /// The URL of an instance.
    fn some_instance(&self, service: &Service) -> String {
        let mut random = self.patience.lock().unwrap();
        let urls = &service.urls;
        urls[random.index(urls.len())].clone()
    }

    /// How long the client of the next attempt waits before it hangs up, if it does.
    fn patience(&self) -> Option<Duration> {
        let mut random = self.patience.lock().unwrap();
        let hangs_up = random.between(0, HANGS_UP_ONE_IN) == 0;
        hangs_up.then(|| Duration::from_micros(random.between(0, LONGEST_PATIENCE_MICROS)))
    }

    fn violation(&self, rule: &str, answer: &Answer) {
        self.report.violation(&self.account.username, rule, answer);
    }
}

impl Session {
    fn keep(&mut self, answer: Answer) {
        self.client.keep(answer);
        self.has_token_since = Instant::now();
    }
}
