//! A `postgres://` URL as libpq knows it (its manual, section "Connection URIs"), in so far as it can be served: what
//! cannot is refused by name.

use std::fs::File;

use super::percent::{decoded, encoded};
use crate::config::Secret;

/// `postgres://user:password@host:port,host:port/name?parameter=value`, of which every part may be missing.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    /// In the order in which they are tried; one that is not named when the URL names none.
    pub hosts: Vec<Host>,
    /// Whether a server that takes no writes is refused (`target_session_attrs`).
    pub must_be_writable: bool,
    /// What the driver is given besides, by the names that it knows; one of them is the password.
    parameters: Vec<(&'static str, Secret)>,
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// A name, an address, or the folder of a unix socket.
    pub name: Option<String>,
    /// 5432 when it is not said.
    pub port: Option<u16>,
}

/// Parameters that the driver takes as they are. The second name is sqlx's.
const PASSED_ON: [(&str, &str); 9] = [
    ("user", ""),
    ("password", ""),
    ("dbname", ""),
    ("sslmode", "ssl-mode"),
    ("sslrootcert", "ssl-root-cert"),
    ("sslcert", "ssl-cert"),
    ("sslkey", "ssl-key"),
    ("application_name", ""),
    ("options", ""),
];
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl PostgresUrl {
    /// Reads what stands behind `postgres://`.
    pub(super) fn parse(rest: &str) -> Result<Self, String> {
        if rest.contains('#') {
            return Err("has a # in it: write it as %23".to_owned());
        }
        let (authority, path, query) = split(rest)?;
        let mut url = Self {
            hosts: Vec::new(),
            must_be_writable: false,
            parameters: Vec::new(),
        };
        let hosts = match authority.rsplit_once('@') {
            Some((user, hosts)) => {
                let (user, password) = user.split_once(':').map_or((user, None), |(user, it)| (user, Some(it)));
                url.add("user", Some(user))?;
                url.add("password", password)?;
                hosts
            }
            None => authority,
        };
        if !hosts.is_empty() {
            url.hosts = hosts.split(',').map(host_and_port).collect::<Result<_, _>>()?;
        }
        url.add("dbname", Some(path))?;
        url.add_query(query)?;
        if url.hosts.is_empty() {
            url.hosts.push(Host::default());
        }
        Ok(url)
    }

    /// A URL of one host in the form that leaves nothing to interpret: everything is a parameter and encoded. It holds the
    /// password.
    pub fn of_host(&self, host: &Host) -> Secret {
        let port = host.port.map(|port| port.to_string());
        let own = [("host", host.name.as_deref()), ("port", port.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let shared = self.parameters.iter().map(|(name, value)| (*name, value.expose()));
        let pairs = own
            .chain(shared)
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        Secret::new(format!("postgres:///?{}", pairs.collect::<Vec<_>>().join("&")))
    }

    fn add_query(&mut self, query: &str) -> Result<(), String> {
        let (mut hosts, mut ports, mut target) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            let slot = match name {
                "host" => &mut hosts,
                "port" => &mut ports,
                "target_session_attrs" => &mut target,
                _ => {
                    let known = PASSED_ON.iter().find(|(libpq, sqlx)| [*libpq, *sqlx].contains(&name));
                    let (name, _) = known.ok_or_else(|| unknown(name))?;
                    self.add_decoded(name, value)?;
                    continue;
                }
            };
            if slot.replace(value).is_some() {
                return Err(format!("says {name} twice"));
            }
        }
        self.add_hosts(hosts.as_deref(), ports.as_deref())?;
        self.must_be_writable = match target.as_deref() {
            None | Some("any") => false,
            Some("read-write" | "primary") => true,
            Some("read-only" | "standby" | "prefer-standby") => {
                return Err(
                    "has a target_session_attrs for reading, and the server must write: use read-write".to_owned(),
                );
            }
            Some(_) => return Err("has an unknown target_session_attrs: use any, read-write or primary".to_owned()),
        };
        Ok(())
    }

    /// Lists of hosts and ports among the parameters: one port for all, or one for each.
    fn add_hosts(&mut self, hosts: Option<&str>, ports: Option<&str>) -> Result<(), String> {
        if let Some(hosts) = hosts {
            if !self.hosts.is_empty() {
                return Err("says host twice".to_owned());
            }
            let named = |name: &str| Host {
                name: Some(name.to_owned()),
                port: None,
            };
            self.hosts = hosts.split(',').map(named).collect();
            if self.hosts.iter().any(|host| host.name.as_deref() == Some("")) {
                return Err(NO_NAME.to_owned());
            }
        }
        let Some(ports) = ports else {
            return Ok(());
        };
        if self.hosts.iter().any(|host| host.port.is_some()) {
            return Err("says port twice".to_owned());
        }
        let ports = ports.split(',').map(port).collect::<Result<Vec<_>, _>>()?;
        if self.hosts.is_empty() {
            self.hosts.push(Host::default());
        }
        if ports.len() != 1 && ports.len() != self.hosts.len() {
            return Err("has another number of ports than of hosts".to_owned());
        }
        for (host, port) in self.hosts.iter_mut().zip(ports.iter().cycle()) {
            host.port = *port;
        }
        Ok(())
    }

    /// Adds a part of the URL, if it is there.
    fn add(&mut self, name: &'static str, value: Option<&str>) -> Result<(), String> {
        match value {
            None | Some("") => Ok(()),
            Some(value) => self.add_decoded(name, decoded(value)?),
        }
    }

    fn add_decoded(&mut self, name: &'static str, value: String) -> Result<(), String> {
        if self.parameters.iter().any(|(other, _)| *other == name) {
            return Err(format!("says {name} twice"));
        }
        match name {
            "sslmode" if !SSL_MODES.contains(&value.as_str()) => {
                return Err(format!("has an unknown sslmode: use one of {}", SSL_MODES.join(", ")));
            }
            // The driver takes a certificate itself, too.
            "sslrootcert" | "sslcert" | "sslkey" if !value.contains("-----BEGIN") => {
                let opened = File::open(&value);
                opened.map_err(|error| format!("names a file as {name} that cannot be read ({error})"))?;
            }
            _ => {}
        }
        self.parameters.push((name, Secret::new(value)));
        Ok(())
    }
}

const NO_NAME: &str = "has a host without a name in its list";

/// Authority, path and query. An `@` further back means that something before it should have been encoded, most likely in
/// the password: to go on would be to take a part of it for a host.
fn split(rest: &str) -> Result<(&str, &str, &str), String> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    if path.contains('@') || (query.contains('@') && !authority.contains('@')) {
        return Err(
            "has an @ behind a / or a ?: in user and password write / as %2F, ? as %3F and @ as %40".to_owned(),
        );
    }
    Ok((authority, path.strip_prefix('/').unwrap_or(path), query))
}

/// `host`, `host:port`, `[::1]:port`, or the folder of a socket with its slashes encoded.
fn host_and_port(text: &str) -> Result<Host, String> {
    let (name, number) = match text.strip_prefix('[') {
        Some(address) => {
            let (address, behind) = address.split_once(']').ok_or("has an address without its ]")?;
            let number = behind.strip_prefix(':').or(behind.is_empty().then_some(""));
            (
                address,
                number.ok_or("has something behind an address in brackets that is no port")?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let name = decoded(name)?;
    if name.is_empty() {
        return Err(NO_NAME.to_owned());
    }
    Ok(Host {
        name: Some(name),
        port: port(number)?,
    })
}

fn port(text: &str) -> Result<Option<u16>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().filter(|port| *port != 0);
    let wrong = "has a port that is not a number from 1 to 65535 (in a password write : as %3A and / as %2F)";
    number.map(Some).ok_or_else(|| wrong.to_owned())
}

/// A name that is known to nobody may be a part of a password behind an `&` or a `?`.
fn unknown(name: &str) -> String {
    let is_a_name = name.len() <= 30
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_-".contains(&byte));
    let name = if is_a_name { name } else { "that is no name" };
    let known = PASSED_ON.map(|(name, _)| name).join(", ");
    format!("has a parameter {name}, which is not supported: known are host, port, {known} and target_session_attrs")
}

#[cfg(test)]
mod tests;
