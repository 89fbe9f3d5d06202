// Package ambient lets pilot make waypoints, if it is imported, and at the cost of every other pilot of the same process
// waiting for a cluster. As with [evenkeel/tests/istio/internal/stock], this must be set before Istio is initialized.
package ambient

import "os"

func init() {
	if err := os.Setenv("PILOT_ENABLE_AMBIENT", "true"); err != nil {
		panic(err)
	}
}
