package istio

import (
	"os"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"istio.io/istio/pilot/pkg/networking"
	"istio.io/istio/pkg/config/kube"
)

// anyPort is not among the ports that Istio knows without a name.
const anyPort = 7000

// The table of port names in docs/istio.md: those that select TCP, and those whose protocol Istio detects.
func TestPortNamesInTheDocsSelectTCP(t *testing.T) {
	text, err := os.ReadFile("../../docs/istio.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Databases and brokers\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| [A-Z].* \| (.*) \| (.*) \|$`).FindAllStringSubmatch(section, -1)
	if len(rows) != 6 {
		t.Fatalf("the table has %d rows, not one per protocol", len(rows))
	}
	for _, row := range rows {
		for column, listener := range []int{networking.ListenerProtocolTCP, networking.ListenerProtocolAuto} {
			for _, code := range regexp.MustCompile("`(.*?)`").FindAllStringSubmatch(row[column+1], -1) {
				name := code[1]
				protocol := kube.ConvertProtocol(anyPort, name, corev1.ProtocolTCP, nil)
				if got := networking.ModelProtocolToListenerProtocol(protocol); int(got) != listener {
					t.Errorf("port name %s: %s, listener %d instead of %d", name, protocol, got, listener)
				}
				if declared := kube.ConvertProtocol(anyPort, "", corev1.ProtocolTCP, &name); declared != protocol {
					t.Errorf("appProtocol %s: %s, and as a port name %s", name, declared, protocol)
				}
			}
		}
	}
}
