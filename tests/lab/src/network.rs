//! A node with its pods: namespaces at a bridge, as in a cluster with a bridge CNI.
//!
//! Pods have no route to each other but through the node, so that the node's rules see both directions of a connection,
//! without the module `br_netfilter`. No address leaves these namespaces.

use std::net::Ipv4Addr;

use anyhow::Result;
use evenkeel_test_tasks::block;

use crate::namespace::{Namespace, ip};

/// The addresses of pods, for kube-proxy's rules.
pub const POD_NETWORK: &str = "10.244.0.0/16";

/// The address of the node for pods.
const POD_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);

/// The address of the node for clients outside of the cluster (RFC 5737), where NodePorts are.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A node with two bridges: one for pods, one for clients outside of the cluster.
#[derive(Debug)]
pub struct Network {
    node: Namespace,
}

impl Network {
    /// Creates the namespace of the node.
    ///
    /// # Errors
    /// When the kernel lacks bridges.
    pub async fn create() -> Result<Self> {
        let node = Namespace::create("node")?;
        for (bridge, address) in [("pods", POD_GATEWAY), ("outside", NODE)] {
            let name = node.name();
            ip(&format!("-n {name} link add {bridge} type bridge"))?;
            ip(&format!("-n {name} address add {address}/24 dev {bridge}"))?;
            ip(&format!("-n {name} link set {bridge} up"))?;
        }
        // These files are those of the namespace of the thread that opens them. Pods need the node as their router: no redirects.
        let settings = node.spawn(async {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            std::fs::write("/proc/sys/net/ipv4/conf/all/send_redirects", "0")?;
            std::fs::write("/proc/sys/net/ipv4/conf/pods/send_redirects", "0")
        });
        settings.join().await?;
        Ok(Self { node })
    }

    /// Returns the namespace of the node.
    pub fn node(&self) -> &Namespace {
        &self.node
    }

    /// Creates a namespace with the pod address 10.244.0.`host`.
    ///
    /// # Errors
    /// When the kernel lacks veth pairs.
    pub async fn pod(&self, host: u8) -> Result<Namespace> {
        self.attach("pods", POD_GATEWAY, host).await
    }

    /// Creates a namespace outside of the cluster, with the address 192.0.2.`host`.
    ///
    /// # Errors
    /// As [`Network::pod`].
    pub async fn outside(&self, host: u8) -> Result<Namespace> {
        self.attach("outside", NODE, host).await
    }

    async fn attach(&self, bridge: &'static str, gateway: Ipv4Addr, host: u8) -> Result<Namespace> {
        let node = self.node.name().to_owned();
        // Several pods start at a time, and each waits for the kernel.
        block(move || {
            let namespace = Namespace::create(&format!("{bridge}-{host}"))?;
            let (name, link) = (namespace.name(), link(bridge, host));
            let address = address(gateway, host);
            ip(&format!(
                "-n {node} link add {link} type veth peer name eth0 netns {name}"
            ))?;
            ip(&format!("-n {node} link set {link} master {bridge} up"))?;
            ip(&format!("-n {name} address add {address}/32 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} route add {gateway} dev eth0"))?;
            ip(&format!("-n {name} route add default via {gateway}"))?;
            Ok(namespace)
        })
        .await
    }

    /// Drops every packet to and from a pod, as when its machine fails: no FIN, no RST, no ICMP.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn cut_off(&self, host: u8) -> Result<()> {
        let node = self.node.name();
        ip(&format!(
            "-n {node} route add blackhole {}",
            pod_address(host)
        ))?;
        ip(&format!("-n {node} link set {} down", link("pods", host)))?;
        Ok(())
    }
}

/// Returns the address of a pod.
pub fn pod_address(host: u8) -> Ipv4Addr {
    address(POD_GATEWAY, host)
}

fn address(gateway: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = gateway.octets();
    Ipv4Addr::new(a, b, c, host)
}

/// Returns the name of the node's end of a link.
fn link(bridge: &str, host: u8) -> String {
    format!("{bridge}{host}")
}
