// Reads a dashboard as Grafana's own types have it, and says what is not as it should be: a field that there is not,
// one that is missing, one of another type. Panels' options and queries are read by their plugins' types.
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
	panels, err := check(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(panels, "panels")
}

// The number of panels, all of which are understood.
func check(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	// Those that the dashboard has: to compile all of them takes twice as long.
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())

	var strict dashboard.Dashboard
	if err := told(strict.UnmarshalJSONStrict(text)); err != nil {
		return 0, err
	}
	// What was read strictly lacks its panels, so it is read again to be validated.
	var read dashboard.Dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		return 0, err
	}
	if err := told(read.Validate()); err != nil {
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

// The SDK gives an empty list of errors, which is no nil, where all is well.
func told(err error) error {
	var errs cog.BuildErrors
	if errors.As(err, &errs) && len(errs) == 0 {
		return nil
	}
	return err
}
