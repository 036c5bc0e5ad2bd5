//! The harness: a fresh server on a free port with a fresh database for each test, and clients with intent-named
//! methods.

mod client;
mod container;
mod documents;
mod pgbouncer;
mod postgres;
mod process;
mod proxy;
mod server;
mod services;
mod streams;
mod usage;
mod valkey;

pub(crate) use client::{Answer, Client, PASSWORD};
pub(crate) use container::{Container, any_program, evaluate, program, read_answer, render};
pub(crate) use documents::documented;
pub(crate) use pgbouncer::{PgBouncer, PoolMode};
pub(crate) use postgres::Postgres;
pub(crate) use process::{ServerProcess, children_of, free_port, piped, send_signal};
pub(crate) use proxy::Proxy;
pub(crate) use server::{SECRET, Storage, TestServer};
pub(crate) use services::{PrivateServices, count, fresh_database, fresh_key_prefix, redis_url};
pub(crate) use streams::{FullPipe, full_disk, nobody};
pub(crate) use usage::Usage;
pub(crate) use valkey::Valkey;

/// Runs each scenario (an `async fn(TestServer)`) on both pairs of storages.
macro_rules! on_both_storages {
    ($($scenario:ident),+ $(,)?) => {
        mod on_sqlite_and_memory {
            $(#[tokio::test] async fn $scenario() {
                let server = crate::support::TestServer::start(crate::support::Storage::SqliteAndMemory).await;
                super::$scenario(server).await;
            })+
        }
        mod on_postgres_and_valkey {
            $(#[tokio::test] async fn $scenario() {
                let server = crate::support::TestServer::start(crate::support::Storage::PostgresAndValkey).await;
                super::$scenario(server).await;
            })+
        }
    };
}
pub(crate) use on_both_storages;
