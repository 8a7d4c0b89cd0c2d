package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"fairlead/internal/store/postgres"
)

// machine is what something was measured on. What the system does not tell is left out.
type machine struct {
	CPU    string           `json:"cpu"`
	Cores  int              `json:"cores"`
	Memory int64            `json:"memory_bytes"`
	Server *postgres.Server `json:"server"`
	// BuildMemory is that of the build of indexes.
	BuildMemory string    `json:"build_memory"`
	Date        time.Time `json:"date"`
	// LoadBefore and LoadAfter are the load averages of a minute.
	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
}

func describeMachine(s *postgres.Server, buildMemory string) *machine {
	m := &machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Server: s, BuildMemory: buildMemory, Date: time.Now(), LoadBefore: loadAverage()}
	if name := procField("/proc/cpuinfo", "model name"); name != "" {
		m.CPU = name
	}
	if kib, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.Memory = kib << 10
	}
	return m
}

// procField gives the value of the first line "name: value" of a file of Linux. Empty: there is none.
func procField(file, name string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// loadAverage gives that of the last minute. Empty: it is not known.
func loadAverage() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(content), " ")
	return first
}

// String describes the machine in one paragraph.
func (m *machine) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s by `fairlead bench scale`: %s, %d cores", m.Date.Format("2 January 2006"), m.CPU, m.Cores)
	if m.Memory > 0 {
		fmt.Fprintf(&b, ", %.0f GiB", float64(m.Memory)/(1<<30))
	}
	fmt.Fprintf(&b, "; PostgreSQL %s on the same machine, pgvector %s, shared_buffers %s", m.Server.Version, m.Server.Vector, m.Server.SharedBuffers)
	if !m.Server.Sync {
		b.WriteString(", fsync or synchronous_commit off")
	}
	if m.BuildMemory != "" {
		fmt.Fprintf(&b, ", maintenance_work_mem %s for the index", m.BuildMemory)
	}
	if m.LoadBefore != "" && m.LoadAfter != "" {
		fmt.Fprintf(&b, ". Load average %s before and %s at the end", m.LoadBefore, m.LoadAfter)
	}
	b.WriteString(".")
	return b.String()
}

const scaleRegion = "scale"

// replaceRegion gives a file's content with the lines between the marks of a region replaced.
func replaceRegion(file, region, text string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	begin, end := "<!-- "+region+":begin -->", "<!-- "+region+":end -->"
	before, rest, found := bytes.Cut(content, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended {
		return nil, fmt.Errorf("reading %s: it has no lines %s and %s, one after the other", file, begin, end)
	}
	return fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, begin, strings.TrimSpace(text), end, after), nil
}
