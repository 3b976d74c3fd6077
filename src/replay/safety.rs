//! Where a replay may go: nowhere by default but to this machine and to private networks.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::ReplayError;
use super::link::Address;
use super::profile::{Profile, Protocol};

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was given.
    pub url: String,
    /// Name or address, without brackets.
    pub host: String,
    /// What the `Host` header says.
    pub authority: String,
    /// TCP port.
    pub port: u16,
    /// Under TLS.
    pub secure: bool,
}

impl Target {
    /// The target in `http://host[:port]` or `https://host[:port]`.
    pub fn parse(url: &str) -> Result<Target, ReplayError> {
        let wrong = |why| ReplayError::Target { url: url.into(), why };
        let secure = url.starts_with("https://");
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .ok_or_else(|| wrong("a target is http://HOST[:PORT], https://HOST[:PORT], or `embedded`"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong("only scheme, host and port are wanted: paths come from the capture"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number from 1 to 65535"))?)
            }
            _ => (authority, if secure { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // With a dot at its end it is the same name (RFC 1034 §3.1), and is not to slip past what is said of that.
        let host = host.strip_suffix('.').unwrap_or(host);
        Ok(Target { url: url.into(), host: host.to_ascii_lowercase(), authority: authority.into(), port, secure })
    }

    /// Whether the HTTP that is wanted goes with TLS, or with none.
    pub fn speaks(&self, protocol: Protocol) -> Result<(), ReplayError> {
        let why = match (protocol, self.secure) {
            (Protocol::H2c, true) => "`protocol: h2c` is HTTP/2 without TLS; to https:// it is `h2`",
            (Protocol::H2, false) => "`protocol: h2` is HTTP/2 under TLS; to http:// it is `h2c`",
            _ => return Ok(()),
        };
        Err(ReplayError::Target { url: self.url.clone(), why })
    }

    /// Where connections go, once everything that speaks against it was looked at.
    pub fn cleared(&self, profile: &Profile, captured_hosts: &BTreeSet<String>) -> Result<Address, ReplayError> {
        match &profile.unix_socket {
            None => self.by_name(profile, captured_hosts).map(Address::Tcp),
            Some(path) => {
                // The socket is on this machine, but a proxy behind it may go by the name.
                self.not_denied(profile)?;
                let is_local = self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
                match captured_hosts.contains(&self.host) && !is_local {
                    true => Err(self.refused("the capture was taken from it: this may be production")),
                    false => Ok(Address::Unix(path.clone())),
                }
            }
        }
    }

    fn refused(&self, why: impl Into<String>) -> ReplayError {
        ReplayError::Refused { host: self.host.clone(), why: why.into() }
    }

    fn not_denied(&self, profile: &Profile) -> Result<(), ReplayError> {
        match profile.deny_host.iter().any(|pattern| matches(pattern, &self.host)) {
            true => Err(self.refused("the profile denies it (`deny-host`)")),
            false => Ok(()),
        }
    }

    /// The address that the target's name has.
    pub(super) fn by_name(
        &self,
        profile: &Profile,
        captured_hosts: &BTreeSet<String>,
    ) -> Result<SocketAddr, ReplayError> {
        self.not_denied(profile)?;
        let found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| ReplayError::Unreachable { url: self.url.clone(), error })?;
        let addresses: Vec<SocketAddr> = found.collect();
        let address = *addresses.first().ok_or_else(|| self.refused("its name has no address"))?;
        let written: Vec<String> = addresses.iter().map(|address| address.ip().to_canonical().to_string()).collect();
        let denied = |address: &String| profile.deny_host.iter().any(|pattern| matches(pattern, address));
        if let Some(address) = written.iter().find(|address| denied(address)) {
            return Err(self.refused(format!("the profile denies {address} (`deny-host`)")));
        }
        if addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
            return Ok(address);
        }
        if captured_hosts.contains(&self.host) || written.iter().any(|address| captured_hosts.contains(address)) {
            return Err(self.refused("the capture was taken from it: this may be production"));
        }
        let allowed = profile.allow_host.iter().any(|pattern| matches(pattern, &self.host));
        if !allowed && !addresses.iter().all(|address| is_private(address.ip().to_canonical())) {
            return Err(self.refused(format!(
                "it is neither this machine nor in a private network; if it is meant, say --allow-host {}",
                self.host
            )));
        }
        Ok(address)
    }

    /// The names and addresses under which the target may stand in a capture that was taken from it. None are looked for
    /// when it is this machine.
    pub fn names(&self) -> BTreeSet<String> {
        let addresses: Vec<IpAddr> =
            (self.host.as_str(), self.port).to_socket_addrs().into_iter().flatten().map(|found| found.ip()).collect();
        let local = |address: &IpAddr| address.to_canonical().is_loopback();
        if self.host == "localhost" || !addresses.is_empty() && addresses.iter().all(local) {
            return BTreeSet::new();
        }
        addresses.iter().map(|address| address.to_canonical().to_string()).chain([self.host.clone()]).collect()
    }
}

/// `*.example.com` means every host below it.
fn matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some(ending) => host.ends_with(ending) && host.len() > ending.len(),
        None => host == pattern,
    }
}

/// RFC 1918, 6598, 3927, 4193, 4291.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private()
                || v4.is_link_local()
                || v4.is_loopback()
                || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleared(url: &str, profile: &Profile, hosts: &[&str]) -> Result<Address, ReplayError> {
        Target::parse(url)?.cleared(profile, &hosts.iter().map(|host| host.to_string()).collect())
    }

    #[test]
    fn only_near_by_default() {
        let profile = Profile::default();
        for near in [
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "http://10.1.2.3",
            "http://192.168.1.1:1/",
            "http://[fd00::1]",
            "http://100.64.0.1",
            "https://10.1.2.3",
        ] {
            assert!(cleared(near, &profile, &[]).is_ok(), "{near}");
        }
        for far in [
            "http://192.0.2.1",
            "http://8.8.8.8:80",
            "http://[2001:db8::1]:80",
            "http://100.128.0.1",
            "http://0.0.0.0:1",
            "https://192.0.2.1:8443",
        ] {
            assert!(matches!(cleared(far, &profile, &[]), Err(ReplayError::Refused { .. })), "{far}");
        }
        let allowing = Profile { allow_host: vec!["192.0.2.1".into()], ..Profile::default() };
        assert!(cleared("http://192.0.2.1", &allowing, &[]).is_ok());
    }

    #[test]
    fn never_where_it_came_from_nor_where_it_must_not() {
        let allowing = Profile { allow_host: vec!["10.0.0.5".into()], ..Profile::default() };
        assert!(cleared("http://10.0.0.5", &allowing, &["10.0.0.5"]).is_err());
        assert!(cleared("http://127.0.0.1:9", &Profile::default(), &["127.0.0.1"]).is_ok());
        let denying = Profile { deny_host: vec!["10.0.0.6".into(), "*.prod.test".into()], ..Profile::default() };
        assert!(cleared("http://10.0.0.6", &denying, &[]).is_err());
        assert!(matches!(cleared("http://a.prod.test", &denying, &[]), Err(ReplayError::Refused { .. })));
    }

    #[test]
    fn no_other_way_to_write_a_host_gets_past() {
        let denying = Profile { deny_host: vec!["10.0.0.6".into(), "*.prod.test".into()], ..Profile::default() };
        for url in ["http://a.prod.test.", "http://A.Prod.Test.:80", "http://[::ffff:10.0.0.6]", "http://10.6"] {
            assert!(matches!(cleared(url, &denying, &[]), Err(ReplayError::Refused { .. })), "{url}");
        }
        for url in ["http://[::ffff:10.0.0.5]", "http://10.5"] {
            assert!(cleared(url, &Profile::default(), &["10.0.0.5"]).is_err(), "{url}");
            assert!(cleared(url, &Profile::default(), &["10.0.0.6"]).is_ok(), "{url}");
        }
        assert!(Target::parse("http://[::ffff:10.0.0.5]").unwrap().names().contains("10.0.0.5"));
    }

    #[test]
    fn a_socket_of_this_machine_hides_no_name() {
        let by_socket = Profile {
            unix_socket: Some("/run/shop.sock".into()),
            deny_host: vec!["*.prod.test".into()],
            ..Profile::default()
        };
        let socket = Address::Unix("/run/shop.sock".into());
        for url in ["http://localhost", "http://anything.test", "https://127.0.0.1"] {
            assert_eq!(cleared(url, &by_socket, &["localhost", "127.0.0.1"]).unwrap(), socket, "{url}");
        }
        for url in ["http://a.prod.test", "https://shop.test"] {
            assert!(matches!(cleared(url, &by_socket, &["shop.test"]), Err(ReplayError::Refused { .. })), "{url}");
        }
    }

    #[test]
    fn a_target_is_scheme_host_and_port() {
        let target = Target::parse("http://[::1]:8080/").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.authority.as_str()), ("::1", 8080, "[::1]:8080"));
        let port = |url| Target::parse(url).map(|target| (target.port, target.secure)).unwrap();
        assert_eq!(
            [port("http://Shop"), port("https://Shop"), port("https://a:1")],
            [(80, false), (443, true), (1, true)]
        );
        for bad in
            ["https://", "ftp://a", "a:80", "http://", "http://a/b", "http://u@a", "http://a:99999", "http://a b"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
