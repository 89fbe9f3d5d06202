package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The parts in which equal errors differ: addresses and stream ids.
var accidental = regexp.MustCompile(`\b\d+(\.\d+){3}(:\d+)?|(LastStreamID=|stream ID )\d+`)

// Send sends the request of that number, and returns nil when its response is right.
type Send func(ctx context.Context, number int) error

// Report is the line of JSON that a client prints.
type Report struct {
	Version     string         `json:"version"`
	Sent        int            `json:"sent"`
	OK          int            `json:"ok"`
	Failed      int            `json:"failed"`
	Cancelled   int            `json:"cancelled"`
	Hung        int            `json:"hung"`
	Connections int64          `json:"connections"`
	Errors      map[string]int `json:"errors"`
}

// Run sends every number of a request, each once, from a goroutine for each of the senders.
func Run(args Args, senders []Send) Report {
	report := Report{Errors: map[string]int{}}
	var lock sync.Mutex
	var last atomic.Int64
	var workers sync.WaitGroup
	for _, send := range senders {
		workers.Go(func() {
			for done := 1; ; done++ {
				number := int(last.Add(1)) - 1
				if number >= args.Requests {
					return
				}
				began := time.Now()
				ctx, cancel := args.context(number)
				err := send(ctx, number)
				cancel()
				lock.Lock()
				report.count(args, number, time.Since(began), err)
				lock.Unlock()
				args.pause(done)
			}
		})
	}
	workers.Wait()
	return report
}

func (report *Report) count(args Args, number int, took time.Duration, err error) {
	report.Sent++
	if took >= args.timeout()/2 {
		report.Hung++
	}
	switch {
	case args.cancelled(number):
		report.Cancelled++
	case err == nil:
		report.OK++
	default:
		report.Failed++
		report.Errors[cause(err)]++
	}
}

// Print writes the report as the one line.
func (report Report) Print() {
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Version of a module that the program was built with.
func Version(path string) string {
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == path {
			return module.Path + " " + strings.TrimPrefix(module.Version, "v")
		}
	}
	panic("the program was built without " + path)
}

// The error without addresses, so that equal ones are counted together.
func cause(err error) string {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	text := err.Error()
	if outer, ok := errors.AsType[*net.OpError](err); ok {
		text = outer.Op + ": " + outer.Err.Error()
	}
	return accidental.ReplaceAllString(text, "$3..")
}
