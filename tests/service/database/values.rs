//! What the database says of a value.

use poem::http::StatusCode;
use sea_orm::{ConnectionTrait, Statement};
use slipway::problem::Problem;
use slipway::store::StoreError;

use crate::support::{Storage, TestServer};

/// Adopters' texts may hold what PostgreSQL does not take: that is the client's fault and no 500 (R38).
#[tokio::test]
async fn a_text_with_a_nul_is_the_clients_fault() {
    let server = TestServer::start(Storage::PostgresAndValkey).await;
    let database = server.database().await;
    let backend = database.get_database_backend();
    let query = Statement::from_sql_and_values(backend, "SELECT $1::text", ["a\0b".into()]);
    let error = StoreError::from(database.query_one_raw(query).await.unwrap_err());
    assert!(matches!(error, StoreError::Value(_)), "{error}");
    assert_eq!(Problem::from(error).status(), StatusCode::UNPROCESSABLE_ENTITY);
}
