package envoy

import "encoding/json"

// Dump returns the configuration dump.
func (e *Envoy) Dump() any {
	e.t.Helper()
	var dump any
	if err := json.Unmarshal([]byte(e.Admin("/config_dump")), &dump); err != nil {
		e.t.Fatal(err)
	}
	return dump
}

// Find returns every value with this key, at any depth.
func Find(value any, key string) []any {
	var found []any
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if name == key {
				found = append(found, inner)
			}
			found = append(found, Find(inner, key)...)
		}
	case []any:
		for _, inner := range value {
			found = append(found, Find(inner, key)...)
		}
	}
	return found
}

// Listener returns the configuration of a listener, which must exist.
func (e *Envoy) Listener(name string) any {
	e.t.Helper()
	var names []any
	for _, state := range Find(e.Dump(), "active_state") {
		for _, listener := range Find(state, "listener") {
			if listener, ok := listener.(map[string]any); ok {
				if listener["name"] == name {
					return listener
				}
				names = append(names, listener["name"])
			}
		}
	}
	e.t.Fatalf("no listener %s among %v", name, names)
	return nil
}

// Cluster returns the configuration of a cluster, which must exist.
func (e *Envoy) Cluster(name string) any {
	e.t.Helper()
	for _, cluster := range Find(e.Dump(), "cluster") {
		if cluster, ok := cluster.(map[string]any); ok && cluster["name"] == name {
			return cluster
		}
	}
	e.t.Fatalf("no cluster %s", name)
	return nil
}
