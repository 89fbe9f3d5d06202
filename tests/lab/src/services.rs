//! Services as kube-proxy implements them: its rules, rendered and loaded in the namespace of the node.
//!
//! The renderers follow the documentation of kube-proxy (Kubernetes 1.34) for its modes `iptables` and `nftables`. Names of chains
//! contain the Service instead of a hash. Left out is what these Services do not use: session affinity, load balancers,
//! topology, IPv6.

mod iptables;
mod nftables;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use evenkeel_test_tools::debian;
use serde::{Deserialize, Serialize};

use crate::namespace::Namespace;
use crate::network::NODE;

/// The mark of packets that need the node's source address.
const MASQUERADE_MARK: &str = "0x4000";

/// The mode of kube-proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    Iptables,
    Nftables,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::name(*self))
    }
}

/// A Service with a ClusterIP and a NodePort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name, in lower case.
    pub name: String,
    /// The ClusterIP and the port of the Service.
    pub cluster: SocketAddrV4,
    /// The port of the node.
    pub node_port: u16,
    /// The ready pods.
    pub endpoints: Vec<SocketAddrV4>,
}

impl Service {
    /// Returns the Service with this number, 0 or higher.
    pub fn new(number: u8, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cluster: SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 10 + number), 80),
            node_port: 30080 + u16::from(number),
            endpoints: Vec::new(),
        }
    }

    /// Returns the address for clients in the cluster.
    pub fn cluster_address(&self) -> SocketAddr {
        self.cluster.into()
    }

    /// Returns the address for clients outside of the cluster.
    pub fn node_address(&self) -> SocketAddr {
        SocketAddr::from((NODE, self.node_port))
    }
}

/// What kube-proxy does on a node: loads the rules of all Services.
#[derive(Debug)]
pub struct Proxy {
    rules: Rules,
    program: String,
}

impl Proxy {
    /// Finds the program that loads the rules; Debian's is downloaded where the machine has none.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(rules: Rules) -> Result<Self> {
        let (package, name) = match rules {
            Rules::Iptables => ("iptables", "iptables-nft-restore"),
            Rules::Nftables => ("nftables", "nft"),
        };
        let program = debian::binary(package, name)?.display().to_string();
        let program = match rules {
            Rules::Iptables => format!("{}{program}", extensions(&program)),
            Rules::Nftables => format!("{program} -f -"),
        };
        Ok(Self { rules, program })
    }

    /// Replaces all rules at once. Open connections keep their endpoint: only the first packet of a connection passes the rules.
    ///
    /// # Errors
    /// When the kernel lacks what the rules use.
    pub fn load(&self, node: &Namespace, services: &[Service]) -> Result<()> {
        let text = match self.rules {
            Rules::Iptables => iptables::render(services),
            Rules::Nftables => nftables::render(services),
        };
        node.run(&self.program, &text)?;
        Ok(())
    }
}

/// Returns how iptables finds its extensions (`statistic`, `addrtype`) where it was unpacked instead of installed.
fn extensions(program: &str) -> String {
    let directory = PathBuf::from(program).with_file_name("usr/lib");
    let found = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found = found.map(|entry| entry.path().join("xtables"));
    match found.find(|path| path.is_dir()) {
        Some(path) => format!("env XTABLES_LIBDIR={} ", path.display()),
        None => String::new(),
    }
}

#[cfg(test)]
fn example() -> Service {
    let endpoint = |host| SocketAddrV4::new(Ipv4Addr::new(10, 244, 0, host), 8080);
    Service {
        endpoints: [11, 12, 13].map(endpoint).to_vec(),
        ..Service::new(0, "web")
    }
}
