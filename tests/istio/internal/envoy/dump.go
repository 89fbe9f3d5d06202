package envoy

import "encoding/json"

// Dump is the configuration that Envoy says it has.
func (e *Envoy) Dump() any {
	e.t.Helper()
	var dump any
	if err := json.Unmarshal([]byte(e.Admin("/config_dump")), &dump); err != nil {
		e.t.Fatal(err)
	}
	return dump
}

// Find is every value in it that has this key, however deep.
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

// Listener is the configuration of the listener of that name, which must be there.
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

// Cluster is the configuration of the cluster of that name, which must be there.
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
