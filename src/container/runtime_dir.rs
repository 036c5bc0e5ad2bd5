//! The folder in which nginx runs: everything that either of the two writes is there.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use rustix::process::geteuid;

use crate::config::{AllowedOrigin, AllowedOrigins, ConfigError, CorsHeaders};

/// The folder of `SLIPWAY_RUNTIME_DIR`.
#[derive(Debug)]
pub(super) struct RuntimeDir(PathBuf);

impl RuntimeDir {
    /// Finds the folder, or makes it.
    ///
    /// # Errors
    /// When it is not there and cannot be made.
    pub(super) fn open(path: &str) -> Result<Self, ConfigError> {
        let made = fs::create_dir_all(path).and_then(|()| fs::canonicalize(path));
        made.map(Self).map_err(|error| explain(Path::new(path), &error))
    }

    /// The whole path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the server listens, and where nginx' configuration expects it.
    pub(super) fn socket(&self) -> PathBuf {
        self.0.join("http.sock")
    }

    /// Puts there what nginx needs: its configuration, whose `X-Forwarded-For` it may believe, and pages of which origins
    /// may read what it answers by itself, with which headers.
    ///
    /// # Errors
    /// When the configuration is not there, or the folder cannot be written to.
    pub(super) fn furnish(
        &self,
        nginx_config: &str,
        trusted_proxies: &[IpNet],
        allowed_origins: &AllowedOrigins,
        cors_headers: &CorsHeaders,
    ) -> Result<(), ConfigError> {
        let config = fs::canonicalize(nginx_config).map_err(|error| {
            ConfigError(format!(
                "SLIPWAY_NGINX_CONFIG={nginx_config} cannot be read ({error}): name the file that nix/nginx-conf.nix made"
            ))
        })?;
        let write = || {
            fs::write(self.0.join("trusted-proxies.conf"), real_ip_directives(trusted_proxies))?;
            fs::write(self.0.join("allowed-origins.conf"), map_rows(allowed_origins))?;
            fs::write(self.0.join("exposed-headers.conf"), exposed_headers(cors_headers))?;
            self.link_config(&config)
        };
        write().map_err(|error| explain(&self.0, &error))
    }

    /// nginx resolves the names of files it includes beside its configuration, so that has to be here.
    fn link_config(&self, config: &Path) -> io::Result<()> {
        let link = self.0.join("nginx.conf");
        if config == link {
            return Ok(());
        }
        match fs::symlink_metadata(&link) {
            Ok(file) if file.is_symlink() => fs::remove_file(&link)?,
            Ok(_) => return Err(io::Error::other("nginx.conf there is somebody else's")),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        symlink(config, link)
    }
}

/// One directive for each network, without the bits that do not count, of which nginx would warn.
fn real_ip_directives(networks: &[IpNet]) -> String {
    let directive = |network: &IpNet| format!("set_real_ip_from {};\n", network.trunc());
    networks.iter().map(directive).collect()
}

/// One row for each origin: what the browser says, and what it is answered.
fn map_rows(origins: &AllowedOrigins) -> String {
    let row = |origin: &AllowedOrigin| match origin {
        AllowedOrigin::Exactly(origin) => format!("\"{origin}\" \"{origin}\";\n"),
        // As the server compares it (src/config/origins.rs).
        AllowedOrigin::AnyLabelOf(suffix) => {
            let suffix = suffix.replace('.', "\\.");
            format!("\"~^https://[a-z0-9_-]+{suffix}$\" \"$http_origin\";\n")
        }
    };
    origins.iter().map(row).collect()
}

/// The directive for the place where nginx knows that the origin is allowed.
fn exposed_headers(headers: &CorsHeaders) -> String {
    format!("set $exposed_headers \"{}\";\n", headers.exposed)
}

fn explain(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError(format!(
        "SLIPWAY_RUNTIME_DIR={} cannot be written to ({error}): mount a volume or a tmpfs there that belongs to user {}",
        path.display(),
        geteuid().as_raw()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trusted_network_is_a_directive() {
        let networks = ["10.1.2.3/16", "2001:db8::/32"].map(|network| network.parse().unwrap());
        assert_eq!(
            real_ip_directives(&networks),
            "set_real_ip_from 10.1.0.0/16;\nset_real_ip_from 2001:db8::/32;\n"
        );
        assert_eq!(real_ip_directives(&[]), "");
    }

    fn furnish(runtime_dir: &RuntimeDir, config: &Path) -> Result<(), ConfigError> {
        runtime_dir.furnish(
            config.to_str().unwrap(),
            &[],
            &AllowedOrigins::default(),
            &CorsHeaders::default(),
        )
    }

    #[test]
    fn a_second_start_replaces_the_link_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "").unwrap();
        fs::write(&two, "").unwrap();
        let runtime_dir = RuntimeDir::open(folder.path().join("run").to_str().unwrap()).unwrap();
        for config in [&one, &two] {
            furnish(&runtime_dir, config).unwrap();
            let link = fs::canonicalize(runtime_dir.path().join("nginx.conf")).unwrap();
            assert_eq!(link, fs::canonicalize(config).unwrap());
        }
        fs::remove_file(runtime_dir.path().join("nginx.conf")).unwrap();
        fs::write(runtime_dir.path().join("nginx.conf"), "mine").unwrap();
        let error = furnish(&runtime_dir, &one).unwrap_err().to_string();
        assert!(error.contains("somebody else's"), "{error}");
    }
}
