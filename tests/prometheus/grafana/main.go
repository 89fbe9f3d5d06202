// Reads a dashboard by the types that Grafana publishes, and prints a verdict as JSON on stdout: {"panels": N}, or
// {"wrong": "..."} for a field that is unknown, missing or of another type. Panels' options and queries are read by
// their plugins' types. The exit code is 1 when there is no verdict.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	panels, wrong := check(text)
	verdict := map[string]any{"panels": panels}
	if wrong != nil {
		verdict = map[string]any{"wrong": wrong.Error()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdict); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The number of panels, all of which are understood.
func check(text []byte) (int, error) {
	// Those that the dashboard has: to compile all of them takes twice as long.
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())

	var strict dashboard.Dashboard
	if err := nonEmpty(strict.UnmarshalJSONStrict(text)); err != nil {
		return 0, err
	}
	// What was read strictly lacks its panels, so it is read again to be validated.
	var read dashboard.Dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		return 0, err
	}
	if err := nonEmpty(read.Validate()); err != nil {
		return 0, err
	}
	panels := 0
	for _, panel := range read.Panels {
		if panel.Panel == nil {
			continue
		}
		if _, isKnown := known.ConfigForPanelcfgVariant(panel.Panel.Type); !isKnown {
			return 0, fmt.Errorf("nothing here knows the options of a panel of type %q", panel.Panel.Type)
		}
		for _, query := range panel.Panel.Targets {
			if query.DataqueryType() != "prometheus" {
				return 0, fmt.Errorf("%q is a query of type %q", *panel.Panel.Title, query.DataqueryType())
			}
		}
		panels++
	}
	return panels, nil
}

// nonEmpty returns nil for an empty list of errors, which the SDK returns without an error.
func nonEmpty(err error) error {
	var errs cog.BuildErrors
	if errors.As(err, &errs) && len(errs) == 0 {
		return nil
	}
	return err
}
