package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

// BenchmarkChatScripted is one chat over the scripted echo: Connect's proto over HTTP/1.1, caller and server
// in one process, so that the allocations are those of both.
func BenchmarkChatScripted(b *testing.B) {
	s := serve(b, "--config", playground(b))
	c := fairleadv1connect.NewChatServiceClient(httpClient(b), s.address)
	req := &fairleadv1.ChatRequest{Messages: user("one two three four five six seven eight")}
	b.ReportAllocs()
	for b.Loop() {
		stream, err := c.Chat(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		var finished *fairleadv1.RunFinished
		for stream.Receive() {
			finished = stream.Msg().GetEvent().GetRunFinished()
		}
		if err := stream.Err(); err != nil || finished == nil {
			b.Fatalf("%v, %v", err, finished)
		}
		stream.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/chat")
}

// BenchmarkStart starts the built program and reports the time to its first readiness (goal: under 300 ms)
// and its resident memory after a second without work (goal: under 60 MiB).
func BenchmarkStart(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("resident memory is read from /proc")
	}
	bin := filepath.Join(b.TempDir(), "fairlead")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: tr}
	var ready, resident []float64
	for b.Loop() {
		ms, mib := start(b, client, bin)
		ready, resident = append(ready, ms), append(resident, mib)
	}
	slices.Sort(ready)
	slices.Sort(resident)
	b.ReportMetric(ready[len(ready)/2], "ms-to-ready")
	b.ReportMetric(resident[len(resident)/2], "MiB-idle")
	b.ReportMetric(0, "ns/op") // it holds the second of waiting
}

// start starts the program once and gives the milliseconds until it was ready and its idle memory in MiB.
func start(b *testing.B, client *http.Client, bin string) (ms, mib float64) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	log := newTranscript()
	c := exec.CommandContext(b.Context(), bin, "serve", "--data", b.TempDir(), "--set", "server.listen="+address)
	c.Env, c.Stderr = environ(), log
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	for limit := began.Add(patience); ; time.Sleep(time.Millisecond) {
		resp, err := client.Get("http://" + address + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(limit) {
			b.Fatalf("it is not ready: %v\n%s", err, log)
		}
	}
	ms = float64(time.Since(began).Microseconds()) / 1000
	time.Sleep(time.Second) // what is measured is a server that has had nothing to do for so long
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		b.Fatal("no VmRSS")
	}
	kib, _ := strconv.ParseFloat(string(m[1]), 64)
	_ = c.Process.Signal(os.Interrupt)
	if err := c.Wait(); err != nil {
		b.Fatalf("%v\n%s", err, log)
	}
	return ms, kib / 1024
}
