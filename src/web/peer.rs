//! Where a request comes from, past the proxies that are trusted to say so.

use std::net::IpAddr;

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// Longest chain of proxies looked at.
const HOPS_MAX: usize = 16;

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

impl Peer {
    /// The client behind `socket`: `X-Forwarded-For` is read from the right, and each address is
    /// believed only while the one that reported it is a trusted proxy.
    pub fn find(socket: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Peer {
        let mut at = match socket {
            Some(ip) => ip.to_canonical(),
            None => return Peer(None),
        };
        if trusted.is_empty() {
            return Peer(Some(at));
        }
        for said in forwarded(headers).take(HOPS_MAX) {
            if !trusted.iter().any(|net| net.contains(&at)) {
                break;
            }
            // What is not an address stands for an unknown client behind the last known hop.
            let Some(ip) = said else { break };
            at = ip;
        }
        Peer(Some(at))
    }

    /// As text, for the log's private parts.
    pub fn text(&self) -> Option<String> {
        self.0.map(|ip| ip.to_string())
    }
}

/// The addresses in `X-Forwarded-For`, the nearest hop first.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").map(|v| v.to_str().unwrap_or("")).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',')).map(|text| address(text.trim()))
}

/// An address with or without a port: `203.0.113.7`, `203.0.113.7:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let found = bare.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|s| s.ip()));
    let found = found.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    found.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    fn find(socket: &str, lines: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(line));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        Peer::find(Some(socket.parse().unwrap()), &headers, &trusted).text().unwrap()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(find("203.0.113.7", &["10.9.9.9"], &[]), "203.0.113.7");
        assert_eq!(find("203.0.113.7", &["10.9.9.9"], &["10.0.0.0/8"]), "203.0.113.7");
        assert_eq!(find("::ffff:203.0.113.7", &[], &[]), "203.0.113.7");
    }

    #[test]
    fn the_chain_is_read_from_the_right_until_a_stranger() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(find("10.0.0.1", &["198.51.100.9"], &trusted), "198.51.100.9");
        assert_eq!(find("10.0.0.1", &["1.1.1.1, 198.51.100.9, 10.0.0.2"], &trusted), "198.51.100.9");
        assert_eq!(find("10.0.0.1", &["1.1.1.1, 198.51.100.9", "10.0.0.2"], &trusted), "198.51.100.9");
        assert_eq!(find("10.0.0.1", &["198.51.100.9:4711"], &trusted), "198.51.100.9");
        assert_eq!(find("10.0.0.1", &["[2001:db8::1]:80"], &trusted), "2001:db8::1");
        assert_eq!(find("10.0.0.1", &["unknown"], &trusted), "10.0.0.1");
        assert_eq!(find("10.0.0.1", &[""], &trusted), "10.0.0.1");
    }
}
