// Package contract is what the Go clients have in common: the flags, the workers, and the one line of JSON.
//
// Nothing is tried again here: what the library does by itself is what its users get, and a request that
// returns an error has failed.
package contract

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Timeout of one request. One that takes longer hangs.
const Timeout = 5 * time.Second

// Args say what to send, and to whom.
type Args struct {
	Address     string // IP:PORT
	Protocol    string // h1 or h2
	Requests    int
	Concurrency int
	Method      string // GET or POST
}

// Parse reads the flags; it ends the process when they are wrong.
func Parse() Args {
	var args Args
	flag.StringVar(&args.Address, "address", "", "IP:PORT to connect to")
	flag.StringVar(&args.Protocol, "protocol", "", "h1 or h2")
	flag.IntVar(&args.Requests, "requests", 0, "how many requests to send")
	flag.IntVar(&args.Concurrency, "concurrency", 0, "how many of them at a time")
	flag.StringVar(&args.Method, "method", "", "GET or POST")
	flag.Parse()
	known := (args.Protocol == "h1" || args.Protocol == "h2") && (args.Method == "GET" || args.Method == "POST")
	if args.Address == "" || args.Requests < 1 || args.Concurrency < 1 || !known {
		flag.Usage()
		os.Exit(2)
	}
	return args
}

// URL to ask: the server answers GET / with some name and POST /echo with the body it was sent.
func (args Args) URL() string {
	if args.Method == "POST" {
		return "http://" + args.Address + "/echo"
	}
	return "http://" + args.Address + "/"
}

// Body of a request: its own, so that an answer to another one shows. Empty for a GET.
func (args Args) Body(number int) string {
	if args.Method == "POST" {
		return strings.Repeat(fmt.Sprintf("body of %d ", number), 64)
	}
	return ""
}

// Check returns an error when the answer is not the one to this request.
func (args Args) Check(number, status int, answer string) error {
	switch {
	case status != 200:
		return fmt.Errorf("status %d", status)
	case args.Method == "POST" && answer != args.Body(number):
		return errors.New("another body than was sent")
	case answer == "":
		return errors.New("an empty answer")
	}
	return nil
}

// Report is the line of JSON that a client prints.
type Report struct {
	Version     string         `json:"version"`
	Sent        int            `json:"sent"`
	OK          int            `json:"ok"`
	Failed      int            `json:"failed"`
	Errors      map[string]int `json:"errors"`
	Connections int64          `json:"connections"`
}

// Run calls send for every number of a request, each once, from as many goroutines as asked for.
func Run(args Args, send func(number int) error) Report {
	report := Report{Errors: map[string]int{}}
	var lock sync.Mutex
	var last atomic.Int64
	var workers sync.WaitGroup
	for range args.Concurrency {
		workers.Go(func() {
			for {
				number := int(last.Add(1)) - 1
				if number >= args.Requests {
					return
				}
				err := send(number)
				lock.Lock()
				report.Sent++
				if err == nil {
					report.OK++
				} else {
					report.Failed++
					report.Errors[cause(err)]++
				}
				lock.Unlock()
			}
		})
	}
	workers.Wait()
	return report
}

// Print writes the report as the one line.
func (report Report) Print() {
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The error without the addresses round it, so that equal ones are counted together.
func cause(err error) string {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if outer, ok := errors.AsType[*net.OpError](err); ok {
		return outer.Op + ": " + outer.Err.Error()
	}
	return err.Error()
}
