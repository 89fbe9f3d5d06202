// Package stock makes pilot leave out the filters that only Istio's own build of Envoy has.
//
// Istio reads its environment while its packages are initialised, so this must happen before. Go initialises
// packages in the order of their import paths, dependencies first: this one needs only "os" and its path comes
// before "istio.io". Import it wherever a package of Istio's is imported.
package stock

import "os"

func init() {
	for _, filter := range []string{
		"PILOT_ENABLE_ALPN_FILTER",
		"PILOT_ENABLE_METADATA_EXCHANGE",
		"PILOT_ENABLE_TELEMETRY_LABEL",
	} {
		if err := os.Setenv(filter, "false"); err != nil {
			panic(err)
		}
	}
}
