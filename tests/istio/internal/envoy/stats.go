package envoy

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"evenkeel/tests/istio/internal/tools"
)

// Stats are Envoy's counters and gauges.
type Stats struct {
	t      testing.TB
	values map[string]int64
}

// Stats reads the counters and gauges.
func (e *Envoy) Stats() Stats {
	e.t.Helper()
	values := map[string]int64{}
	for line := range strings.SplitSeq(e.Admin("/stats"), "\n") {
		name, value, found := strings.Cut(line, ": ")
		if number, err := strconv.ParseInt(value, 10, 64); found && err == nil {
			values[name] = number
		}
	}
	return Stats{e.t, values}
}

// Get returns the value of a stat of Envoy. The test fails when Envoy does not show it.
func (s Stats) Get(name string) int64 {
	s.t.Helper()
	value, found := s.values[name]
	if !found {
		s.t.Fatalf("Envoy shows no stat %s", name)
	}
	return value
}

// Sum returns the sum of Envoy's stats with this prefix and suffix. The test fails when Envoy shows none.
func (s Stats) Sum(prefix, suffix string) int64 {
	s.t.Helper()
	var sum int64
	found := false
	for name, value := range s.values {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			sum += value
			found = true
		}
	}
	if !found {
		s.t.Fatalf("Envoy shows no stat %s...%s", prefix, suffix)
	}
	return sum
}

// Evenkeel returns the value of a metric of Evenkeel, without the prefix `evenkeel_`, summed over the series with these labels,
// each as `tag=value`. The test fails when the list of metrics has no such name, label or value; a listed metric is 0 until
// Envoy shows it.
func (s Stats) Evenkeel(name string, labels ...string) int64 {
	s.t.Helper()
	known, found := listed(s.t)["evenkeel_"+name]
	if !found {
		s.t.Fatalf("there is no metric evenkeel_%s", name)
	}
	for _, label := range labels {
		tag, wanted, _ := strings.Cut(label, "=")
		values, found := known[tag]
		if !found || values != nil && !slices.Contains(values, wanted) {
			s.t.Fatalf("evenkeel_%s never has the label %s", name, label)
		}
	}
	var sum int64
	for stat, value := range s.values {
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

// VMs returns the number of running wasm VMs.
func (s Stats) VMs() int64 {
	s.t.Helper()
	return s.Get("wasm.envoy.wasm.runtime.v8.active")
}

var (
	list     map[string]map[string][]string
	listOnce sync.Once
)

// listed returns the list of metrics: for each name its labels, and for each label its values, nil unless they are fixed.
func listed(t testing.TB) map[string]map[string][]string {
	t.Helper()
	file := tools.Metrics(t)
	listOnce.Do(func() {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	})
	return list
}
