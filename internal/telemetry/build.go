package telemetry

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Build says which program this is.
type Build struct {
	// Version is the release, or the module's version, or "devel".
	Version string
	// Revision is the commit, and Time its time; empty and zero outside of a checkout.
	Revision string
	Time     time.Time
	// Modified is true when the checkout had changes that were not committed.
	Modified bool
	// Go is the version of the toolchain, and Platform such as "linux/amd64".
	Go, Platform string
}

// ReadBuild gives what the toolchain wrote into the program. The version is the release's, as the program
// was linked with it, or empty.
func ReadBuild(version string) Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info, version)
}

func buildOf(info *debug.BuildInfo, version string) Build {
	b := Build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time, _ = time.Parse(time.RFC3339, s.Value) // a time that cannot be read is none
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String gives one line, such as "fairlead 1.2.3 (0f3c9d1e2a4b, 2026-11-22, go1.26.8 linux/amd64)".
func (b Build) String() string {
	s := "fairlead " + b.Version + " ("
	if b.Revision != "" {
		s += b.Revision[:min(12, len(b.Revision))]
		if b.Modified {
			s += " with changes"
		}
		s += ", "
	}
	if !b.Time.IsZero() {
		s += b.Time.UTC().Format(time.DateOnly) + ", "
	}
	return fmt.Sprintf("%s%s %s)", s, b.Go, b.Platform)
}
