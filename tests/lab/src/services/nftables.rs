//! kube-proxy's mode `nftables`: a map from addresses to Services, and one random number for each connection.

use std::fmt::Write;

use super::{MASQUERADE_MARK, Service};
use crate::network::{NODE, POD_NETWORK};

/// Renders the input of `nft -f`, which replaces the table.
pub fn render(services: &[Service]) -> String {
    let mut chains = String::new();
    let (mut ips, mut ports, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for service in services {
        let (name, node_port) = (&service.name, service.node_port);
        let (address, port) = (service.cluster.ip(), service.cluster.port());
        if service.endpoints.is_empty() {
            empty.push(format!("{address} . tcp . {port} : goto reject-chain"));
            continue;
        }
        ips.push(format!(
            "{address} . tcp . {port} : goto service-{name}/tcp"
        ));
        ports.push(format!("tcp . {node_port} : goto external-{name}/tcp"));
        add(&mut chains, service);
    }
    // Deleting a table that may be missing takes an `add` before.
    format!(
        "add table ip kube-proxy\n\
         delete table ip kube-proxy\n\
         table ip kube-proxy {{\n\
         {chains}\
         chain mark-for-masquerade {{ mark set mark or {MASQUERADE_MARK}; }}\n\
         chain masquerading {{ mark and {MASQUERADE_MARK} == 0 return; mark set mark xor {MASQUERADE_MARK}; masquerade fully-random; }}\n\
         chain reject-chain {{ reject; }}\n\
         {}{}{}\
         set nodeport-ips {{ type ipv4_addr; elements = {{ {NODE} }}; }}\n\
         chain services {{\n\
         ip daddr . meta l4proto . th dport vmap @service-ips\n\
         ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports\n\
         }}\n\
         chain service-endpoints-check {{ ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }}\n\
         chain filter-forward {{ type filter hook forward priority -110; ct state new jump service-endpoints-check; }}\n\
         chain filter-output {{ type filter hook output priority -110; ct state new jump service-endpoints-check; }}\n\
         chain nat-prerouting {{ type nat hook prerouting priority -100; jump services; }}\n\
         chain nat-output {{ type nat hook output priority -100; jump services; }}\n\
         chain nat-postrouting {{ type nat hook postrouting priority 100; jump masquerading; }}\n\
         }}\n",
        map("service-ips", "ipv4_addr . inet_proto . inet_service", &ips),
        map("service-nodeports", "inet_proto . inet_service", &ports),
        map(
            "no-endpoint-services",
            "ipv4_addr . inet_proto . inet_service",
            &empty
        ),
    )
}

/// An empty list of elements is a syntax error.
fn map(name: &str, key: &str, elements: &[String]) -> String {
    let elements = match elements {
        [] => String::new(),
        _ => format!("elements = {{ {} }};", elements.join(", ")),
    };
    format!("map {name} {{ type {key} : verdict; {elements} }}\n")
}

fn add(chains: &mut String, service: &Service) {
    let name = &service.name;
    let (address, port) = (service.cluster.ip(), service.cluster.port());
    let mut choices = Vec::new();
    for (number, endpoint) in service.endpoints.iter().enumerate() {
        choices.push(format!(
            "{number} : goto endpoint-{name}__{}/{}",
            endpoint.ip(),
            endpoint.port()
        ));
        let _ = writeln!(
            chains,
            "chain endpoint-{name}__{}/{} {{ ip saddr {} jump mark-for-masquerade; meta l4proto tcp dnat to {endpoint}; }}",
            endpoint.ip(),
            endpoint.port(),
            endpoint.ip()
        );
    }
    let _ = write!(
        chains,
        "chain service-{name}/tcp {{\n\
         ip daddr {address} tcp dport {port} ip saddr != {POD_NETWORK} jump mark-for-masquerade\n\
         numgen random mod {} vmap {{ {} }}\n\
         }}\n\
         chain external-{name}/tcp {{ jump mark-for-masquerade; goto service-{name}/tcp; }}\n",
        service.endpoints.len(),
        choices.join(", ")
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::example;

    #[test]
    fn service_chooses_among_its_endpoints_with_one_random_number() {
        let text = render(&[example()]);

        assert!(text.contains(
            "numgen random mod 3 vmap { 0 : goto endpoint-web__10.244.0.11/8080, \
             1 : goto endpoint-web__10.244.0.12/8080, 2 : goto endpoint-web__10.244.0.13/8080 }"
        ));
        assert!(text.contains("elements = { 10.96.0.10 . tcp . 80 : goto service-web/tcp };"));
        assert!(text.contains("elements = { tcp . 30080 : goto external-web/tcp };"));
    }

    #[test]
    fn service_without_endpoints_refuses_connections() {
        let text = render(&[Service::new(0, "web")]);

        assert!(text.contains("10.96.0.10 . tcp . 80 : goto reject-chain"));
        assert!(text.contains(
            "map service-ips { type ipv4_addr . inet_proto . inet_service : verdict;  }"
        ));
    }
}
