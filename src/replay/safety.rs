//! Where a replay may go: nowhere by default but to this machine and to private networks.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::ReplayError;
use super::profile::Profile;

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
}

impl Target {
    /// The target in `http://host[:port]`.
    pub fn parse(url: &str) -> Result<Target, ReplayError> {
        let wrong = |why| ReplayError::Target { url: url.into(), why };
        let rest = url.strip_prefix("http://").ok_or_else(|| {
            wrong(if url.starts_with("https://") {
                "TLS to the target is not supported yet; give its http:// address"
            } else {
                "a target is http://HOST[:PORT], or `embedded`"
            })
        })?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong("only scheme, host and port are wanted: paths come from the capture"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("the port is no number from 1 to 65535"))?)
            }
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Target { url: url.into(), host: host.to_ascii_lowercase(), authority: authority.into(), port })
    }

    /// The target's address, once everything that speaks against it was looked at.
    pub fn cleared(&self, profile: &Profile, captured_hosts: &BTreeSet<String>) -> Result<SocketAddr, ReplayError> {
        let refused = |why: String| ReplayError::Refused { host: self.host.clone(), why };
        if profile.deny_host.iter().any(|pattern| matches(pattern, &self.host)) {
            return Err(refused("the profile denies it (`deny-host`)".into()));
        }
        let found = (self.host.as_str(), self.port)
            .to_socket_addrs()
            .map_err(|error| ReplayError::Unreachable { url: self.url.clone(), error })?;
        let addresses: Vec<SocketAddr> = found.collect();
        let address = *addresses.first().ok_or_else(|| refused("its name has no address".into()))?;
        if addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
            return Ok(address);
        }
        if captured_hosts.contains(&self.host)
            || addresses.iter().any(|address| captured_hosts.contains(&address.ip().to_string()))
        {
            return Err(refused("the capture was taken from it: this may be production".into()));
        }
        let allowed = profile.allow_host.iter().any(|pattern| matches(pattern, &self.host));
        if !allowed && !addresses.iter().all(|address| is_private(address.ip().to_canonical())) {
            return Err(refused(format!(
                "it is neither this machine nor in a private network; if it is meant, say --allow-host {}",
                self.host
            )));
        }
        Ok(address)
    }

    /// Whether something accepts connections there.
    pub fn reach(&self, address: SocketAddr, timeout: Duration) -> Result<(), ReplayError> {
        TcpStream::connect_timeout(&address, timeout)
            .map(drop)
            .map_err(|error| ReplayError::Unreachable { url: self.url.clone(), error })
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

    fn cleared(url: &str, profile: &Profile, hosts: &[&str]) -> Result<SocketAddr, ReplayError> {
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
        ] {
            assert!(cleared(near, &profile, &[]).is_ok(), "{near}");
        }
        for far in [
            "http://192.0.2.1",
            "http://8.8.8.8:80",
            "http://[2001:db8::1]:80",
            "http://100.128.0.1",
            "http://0.0.0.0:1",
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
    fn a_target_is_scheme_host_and_port() {
        let target = Target::parse("http://[::1]:8080/").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.authority.as_str()), ("::1", 8080, "[::1]:8080"));
        assert_eq!(Target::parse("http://Shop").unwrap().port, 80);
        for bad in
            ["https://a", "ftp://a", "a:80", "http://", "http://a/b", "http://u@a", "http://a:99999", "http://a b"]
        {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
