//! The list of machines, and this one's place in it. Resolves names anew each time it is asked.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::FabricError;

/// Machines at most. Each has a socket and two threads for each other one.
const MOST: usize = 64;

/// Which machines take part, and which one this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    addresses: Vec<String>,
    me: usize,
}

impl Hosts {
    /// Reads `host:port,host:port,…`, in the order of the machines' numbers; `me` is this one's.
    ///
    /// # Errors
    ///
    /// An address that is no `host:port`, one that stands there twice, no address at all, more
    /// than 64, or a number that is none of theirs.
    pub fn parse(list: &str, me: usize) -> Result<Hosts, FabricError> {
        let addresses: Vec<String> = list.split(',').map(|at| at.trim().to_owned()).collect();
        for (number, address) in addresses.iter().enumerate() {
            if !is_host_and_port(address) {
                let expected = "expected host:port, as in 10.0.0.7:2101 or [::1]:2101";
                return Err(FabricError::Hosts(format!(
                    "machine {number}'s address {address:?} is not valid: {expected}"
                )));
            }
            if let Some(first) = addresses[..number]
                .iter()
                .position(|other| other == address)
            {
                return Err(FabricError::Hosts(format!(
                    "machines {first} and {number} have the same address {address}"
                )));
            }
        }
        let count = addresses.len();
        if count > MOST {
            return Err(FabricError::Hosts(format!(
                "{count} machines are too many: at most {MOST}"
            )));
        }
        if me >= count {
            let last = count - 1;
            return Err(FabricError::Hosts(format!(
                "machine {me} is not in the list of hosts: it has machines 0 to {last}"
            )));
        }
        Ok(Hosts { addresses, me })
    }

    /// How many machines take part.
    #[allow(clippy::len_without_is_empty)] // This machine is always one of them.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// This machine's number.
    pub fn me(&self) -> usize {
        self.me
    }

    /// A machine's address, as the list has it.
    pub fn address(&self, machine: usize) -> &str {
        &self.addresses[machine]
    }

    /// Machine 0 and another one alone, as 0 and 1; `me` is this one's number among the two.
    pub(crate) fn pair(&self, other: usize, me: usize) -> Hosts {
        let addresses = [0, other].map(|machine| self.addresses[machine].clone());
        let addresses = addresses.to_vec();
        Hosts { addresses, me }
    }

    /// Whether all addresses resolve to this very host, and to it only.
    pub fn are_loopback(&self) -> bool {
        (0..self.len()).all(|machine| {
            let found = self.resolve(machine);
            found.is_ok_and(|all| !all.is_empty() && all.iter().all(|at| at.ip().is_loopback()))
        })
    }

    /// Looks a machine's name up.
    pub(crate) fn resolve(&self, machine: usize) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses[machine].to_socket_addrs()?.collect())
    }

    /// `machine 2 (10.0.0.7:2101), …`
    pub(crate) fn named(&self, machines: &[usize]) -> String {
        let named = |machine: &usize| format!("machine {machine} ({})", self.addresses[*machine]);
        machines.iter().map(named).collect::<Vec<_>>().join(", ")
    }
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else {
        return false;
    };
    let is_bracketed = host.len() > 2 && host.starts_with('[') && host.ends_with(']');
    let is_name = !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']);
    let has_digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = has_digits && port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_bracketed || is_name) && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_or_refused_with_a_reason() {
        let check = |list: &str, me: usize, expected: &str| {
            let said = match Hosts::parse(list, me) {
                Ok(hosts) => format!("{} of {}", hosts.me(), hosts.len()),
                Err(error) => {
                    assert!(error.is_bad_input());
                    error.to_string()
                }
            };
            assert!(said.contains(expected), "{list:?}, {me}: {said}");
        };
        check("a:2101", 0, "0 of 1");
        check("a:1, b:2,[::1]:3", 2, "2 of 3");
        check("", 0, "machine 0's address \"\"");
        check("a:1,", 0, "machine 1's address \"\"");
        check("a:1,,b:2", 0, "machine 1's address \"\"");
        check("a", 0, "expected host:port");
        check(":2101", 0, "expected host:port");
        check("a:0", 0, "expected host:port");
        check("a:+1", 0, "expected host:port");
        check("a:", 0, "expected host:port");
        check("a:65536", 0, "expected host:port");
        check("http://a:80", 0, "expected host:port");
        check("::1:2101", 0, "expected host:port");
        check(
            "a:1,b:2,a:1",
            0,
            "machines 0 and 2 have the same address a:1",
        );
        check("a:1,b:2", 2, "machine 2 is not in the list of hosts");
        let many: Vec<String> = (1..=65).map(|port| format!("a:{port}")).collect();
        check(&many.join(","), 0, "65 machines are too many");
        check(&many[1..].join(","), 63, "63 of 64");
    }

    #[test]
    fn loopback_is_told_from_other_addresses() {
        let are_loopback = |list: &str| Hosts::parse(list, 0).unwrap().are_loopback();
        assert!(are_loopback("127.0.0.1:1,[::1]:2,127.8.0.1:3"));
        assert!(!are_loopback("127.0.0.1:1,192.0.2.1:2"));
        assert!(!are_loopback("0.0.0.0:1"));
    }
}
