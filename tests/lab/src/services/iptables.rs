//! kube-proxy's mode `iptables`: a chain for each Service, with a rule for each endpoint.

use std::fmt::Write;

use super::{MASQUERADE_MARK, Service};
use crate::network::POD_NETWORK;

/// Renders the input of `iptables-restore`.
pub fn render(services: &[Service]) -> String {
    let mut filter = String::new();
    let mut chains = String::new();
    let mut rules = format!(
        "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
         -A KUBE-POSTROUTING -m mark ! --mark {MASQUERADE_MARK}/{MASQUERADE_MARK} -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --xor-mark {MASQUERADE_MARK}\n\
         -A KUBE-POSTROUTING -j MASQUERADE --random-fully\n\
         -A KUBE-MARK-MASQ -j MARK --or-mark {MASQUERADE_MARK}\n"
    );
    for service in services {
        match service.endpoints.as_slice() {
            [] => reject(&mut filter, service),
            _ => add(&mut chains, &mut rules, service),
        }
    }
    // Behind the rules of all Services.
    rules.push_str("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n");
    format!(
        "*filter\n:KUBE-SERVICES - [0:0]\n\
         -A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES\n\
         -A OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES\n{filter}COMMIT\n\
         *nat\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n\
         {chains}{rules}COMMIT\n"
    )
}

/// A Service without endpoints refuses connections.
fn reject(filter: &mut String, service: &Service) {
    let (address, port) = (service.cluster.ip(), service.cluster.port());
    let _ = writeln!(
        filter,
        "-A KUBE-SERVICES -d {address}/32 -p tcp -m tcp --dport {port} -j REJECT"
    );
}

fn add(chains: &mut String, rules: &mut String, service: &Service) {
    let name = service.name.to_uppercase();
    let (address, port) = (service.cluster.ip(), service.cluster.port());
    let cluster = format!("-d {address}/32 -p tcp -m tcp --dport {port}");
    let node_port = service.node_port;
    let _ = write!(
        chains,
        ":KUBE-SVC-{name} - [0:0]\n:KUBE-EXT-{name} - [0:0]\n"
    );
    let _ = write!(
        rules,
        "-A KUBE-SERVICES {cluster} -j KUBE-SVC-{name}\n\
         -A KUBE-NODEPORTS -p tcp -m tcp --dport {node_port} -j KUBE-EXT-{name}\n\
         -A KUBE-EXT-{name} -j KUBE-MARK-MASQ\n\
         -A KUBE-EXT-{name} -j KUBE-SVC-{name}\n\
         -A KUBE-SVC-{name} ! -s {POD_NETWORK} {cluster} -j KUBE-MARK-MASQ\n"
    );
    for (number, endpoint) in service.endpoints.iter().enumerate() {
        let left = service.endpoints.len() - number;
        // The last rule has no probability: it takes all that is left.
        let chance = match left {
            1 => String::new(),
            _ => format!(
                " -m statistic --mode random --probability {:.10}",
                1.0 / left as f64
            ),
        };
        let _ = writeln!(chains, ":KUBE-SEP-{name}-{number} - [0:0]");
        let _ = write!(
            rules,
            "-A KUBE-SVC-{name}{chance} -j KUBE-SEP-{name}-{number}\n\
             -A KUBE-SEP-{name}-{number} -s {}/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-{name}-{number} -p tcp -m tcp -j DNAT --to-destination {endpoint}\n",
            endpoint.ip()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::example;

    #[test]
    fn each_endpoint_has_the_probability_of_those_that_are_left() {
        let text = render(&[example()]);

        let chosen: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("-A KUBE-SVC-WEB") && line.contains("KUBE-SEP"))
            .collect();
        assert_eq!(
            chosen,
            [
                "-A KUBE-SVC-WEB -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-WEB-0",
                "-A KUBE-SVC-WEB -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-WEB-1",
                "-A KUBE-SVC-WEB -j KUBE-SEP-WEB-2",
            ]
        );
        assert!(text.contains(
            "\n-A KUBE-SEP-WEB-1 -p tcp -m tcp -j DNAT --to-destination 10.244.0.12:8080\n"
        ));
    }

    #[test]
    fn node_ports_come_last_and_are_masqueraded() {
        let text = render(&[example()]);

        let mut services = text
            .lines()
            .filter(|line| line.starts_with("-A KUBE-SERVICES"));
        assert_eq!(
            services.next_back().unwrap(),
            "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
        );
        assert!(
            text.contains("-A KUBE-EXT-WEB -j KUBE-MARK-MASQ\n-A KUBE-EXT-WEB -j KUBE-SVC-WEB\n")
        );
    }

    #[test]
    fn service_without_endpoints_refuses_connections() {
        let text = render(&[Service::new(0, "web")]);

        assert!(
            text.contains("-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j REJECT")
        );
        assert!(!text.contains("KUBE-SVC-WEB"));
    }
}
