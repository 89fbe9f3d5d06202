package envoy

import (
	"slices"
	"strconv"
	"strings"
)

// Stats are Envoy's counters and gauges at one moment, by name.
type Stats map[string]int64

// Stats reads them.
func (e *Envoy) Stats() Stats {
	e.t.Helper()
	stats := Stats{}
	for line := range strings.SplitSeq(e.Admin("/stats"), "\n") {
		name, value, found := strings.Cut(line, ": ")
		if number, err := strconv.ParseInt(value, 10, 64); found && err == nil {
			stats[name] = number
		}
	}
	return stats
}

// Evenkeel adds up Evenkeel's metric of that name, without the prefix `evenkeel_`, over all that have these labels,
// each given as `tag=value`.
func (s Stats) Evenkeel(name string, labels ...string) int64 {
	var sum int64
	for stat, value := range s {
		stat, found := strings.CutPrefix(stat, "wasmcustom.")
		if !found {
			continue
		}
		parts := strings.Split(stat, ";.;")
		if !slices.Contains(parts, "evenkeel_"+name) {
			continue
		}
		matches := true
		for _, label := range labels {
			tag, wanted, _ := strings.Cut(label, "=")
			matches = matches && slices.Contains(parts, tag+"=.="+wanted)
		}
		if matches {
			sum += value
		}
	}
	return sum
}

// VMs is how many wasm VMs run at this moment.
func (s Stats) VMs() int64 { return s["wasm.envoy.wasm.runtime.v8.active"] }
