// Package envoy runs a stock Envoy that is configured by pilot.
package envoy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/tools"
)

// Workers is the number of worker threads of each Envoy.
const Workers = 2

// Envoy is a running Envoy, which is stopped at the end of the test.
type Envoy struct {
	admin string
	log   string
	ended chan struct{}
	t     *testing.T
}

// Options are the settings that differ between tests.
type Options struct {
	// ADS is the address of pilot.
	ADS *net.TCPAddr
	// SDS is the address of the certificates, if there are any.
	SDS *net.TCPAddr
	// Drain is the drain time of a replaced listener; 0 is that of Istio.
	Drain time.Duration
}

// Start starts an Envoy and waits until it is ready.
func Start(t *testing.T, node Node, options Options) *Envoy {
	t.Helper()
	envoy := Launch(t, node, options)
	envoy.Live()
	return envoy
}

// Launch starts an Envoy, which may not be ready yet.
func Launch(t *testing.T, node Node, options Options) *Envoy {
	t.Helper()
	directory := t.TempDir()
	bootstrap, err := node.bootstrap(options.ADS, options.SDS)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(directory, "envoy.json")
	if err := os.WriteFile(config, bootstrap, 0o600); err != nil {
		t.Fatal(err)
	}
	if options.Drain == 0 {
		options.Drain = 45 * time.Second
	}
	adminFile := filepath.Join(directory, "admin")
	envoy := &Envoy{log: filepath.Join(directory, "log"), ended: make(chan struct{}), t: t}
	log, err := os.Create(envoy.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(tools.Envoy(t),
		"--config-path", config, "--admin-address-path", adminFile, "--disable-hot-restart",
		"--concurrency", fmt.Sprint(Workers), "--drain-time-s", fmt.Sprint(int(options.Drain.Seconds())))
	command.Stdout, command.Stderr = log, log
	// The process must not outlive a killed test.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(envoy.ended)
		// Killed at the end of the test; `Alive` reports whether it ended before.
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		envoy.healthy()
		_ = command.Process.Kill()
		<-envoy.ended
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", node.id(), tail(envoy.Log(), 40))
		}
	})
	envoy.admin = poll.Value(t, "Envoy's admin address", func() (string, bool) {
		envoy.alive()
		address, err := os.ReadFile(adminFile)
		return string(address), err == nil && strings.Contains(string(address), ":")
	})
	return envoy
}

// Live waits until it is ready.
func (e *Envoy) Live() {
	e.t.Helper()
	poll.Until(e.t, "Envoy to be ready", e.IsLive)
}

// IsLive returns whether it is ready.
func (e *Envoy) IsLive() bool {
	e.t.Helper()
	e.alive()
	response, err := http.Get("http://" + e.admin + "/ready")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Admin returns the response of the admin interface to a GET.
func (e *Envoy) Admin(path string) string {
	e.t.Helper()
	e.alive()
	response, err := http.Get("http://" + e.admin + path)
	if err != nil {
		e.t.Fatalf("Envoy's %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		e.t.Fatalf("Envoy's %s: %s %v\n%s", path, response.Status, err, body)
	}
	return string(body)
}

// Log returns Envoy's log so far, with the module's lines.
func (e *Envoy) Log() string {
	log, err := os.ReadFile(e.log)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(log)
}

// alive fails the test when the process has ended.
func (e *Envoy) alive() {
	e.t.Helper()
	select {
	case <-e.ended:
		e.t.Fatalf("Envoy died:\n%s", tail(e.Log(), 40))
	default:
	}
}

// healthy fails the test after an error that clients may not notice.
func (e *Envoy) healthy() {
	e.t.Helper()
	select {
	case <-e.ended:
		e.t.Errorf("Envoy died:\n%s", tail(e.Log(), 40))
		return
	default:
	}
	for _, line := range strings.Split(e.Log(), "\n") {
		for _, bad := range []string{"[critical]", "panicked", "Function: proxy_", "wasm vm", "VM crash"} {
			if strings.Contains(line, bad) {
				e.t.Errorf("Envoy's log: %s", line)
			}
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
