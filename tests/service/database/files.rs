//! The files of SQLite.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{PASSWORD, ServerProcess};

fn modes(folder: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(folder).unwrap().flatten();
    let mode = |file: fs::DirEntry| {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        (file.file_name().to_str().unwrap().to_owned(), mode)
    };
    files.map(mode).collect()
}

/// F22: they hold password hashes, wherever they lie and whatever an earlier version has left behind.
#[tokio::test]
async fn no_other_user_can_read_the_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("sqlite:{}", folder.path().join("a.db").display());
    for _ in 0..2 {
        let mut server = ServerProcess::start(&[("DATABASE_URL", &url)]);
        let mut client = server.client().await;
        let answer = client.register("ada").await;
        assert!([201, 409].contains(&answer.status), "{answer:?}");
        let modes = modes(folder.path());
        assert!(modes.len() >= 4, "{modes:?}");
        assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
        server.signal("KILL");
        server.exit(std::time::Duration::from_secs(10)).await;
        for (file, _) in modes {
            fs::set_permissions(folder.path().join(file), fs::Permissions::from_mode(0o644)).unwrap();
        }
        // Another server's secret is none of this test's business.
        fs::remove_file(folder.path().join("jwt_secret")).unwrap();
    }
}

/// Everything of it is gone with the process, and it needs no file.
#[tokio::test]
async fn a_database_in_memory_works() {
    let server = ServerProcess::start(&[("DATABASE_URL", "sqlite::memory:")]);
    let mut client = server.client().await;
    assert_eq!(client.register("ada").await.status, 201);
    assert_eq!(client.login("ada", PASSWORD).await.status, 200);
    assert_eq!((client.me().await.status, client.refresh().await.status), (200, 200));
    let files: Vec<_> = modes(server.folder.path());
    assert!(files.iter().all(|(name, _)| name == "data"), "{files:?}");
}
