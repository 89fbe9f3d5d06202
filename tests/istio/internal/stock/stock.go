// Package stock makes pilot leave out the filters that only Istio's own build of Envoy has, and lets it make listeners
// for HTTP/3, which it does where a gateway's service has a UDP port.
//
// Istio reads its environment while its packages are initialized, so this must happen before. Go initializes
// packages in the order of their import paths, dependencies first: this one needs only "os" and its path comes
// before "istio.io". Import it wherever a package of Istio's is imported.
package stock

import "os"

func init() {
	for variable, value := range map[string]string{
		"PILOT_ENABLE_ALPN_FILTER":       "false",
		"PILOT_ENABLE_METADATA_EXCHANGE": "false",
		"PILOT_ENABLE_TELEMETRY_LABEL":   "false",
		"PILOT_ENABLE_QUIC_LISTENERS":    "true",
	} {
		if err := os.Setenv(variable, value); err != nil {
			panic(err)
		}
	}
}
