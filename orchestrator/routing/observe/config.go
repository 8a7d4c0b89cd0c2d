package observe

import (
	"time"

	"fairlead/internal/fault"
)

// Config sets a Recorder up. The zero value is the default.
type Config struct {
	// HalfLife is the age at which a sample counts half. 0 is 5 minutes.
	HalfLife time.Duration
	// Refresh is the age at which a snapshot is made anew. 0 is 250 ms.
	Refresh time.Duration
	// ProbeAfter is how long a target may go without a sample before it needs a probe. 0 is 5 minutes.
	ProbeAfter time.Duration
	// Steps is how many steps are kept apart for each target; the rarest give way. 0 is 256.
	Steps int
}

// withDefaults fills in what is not said.
func (c Config) withDefaults() Config {
	if c.HalfLife == 0 {
		c.HalfLife = 5 * time.Minute
	}
	if c.Refresh == 0 {
		c.Refresh = 250 * time.Millisecond
	}
	if c.ProbeAfter == 0 {
		c.ProbeAfter = 5 * time.Minute
	}
	if c.Steps == 0 {
		c.Steps = 256
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.HalfLife < time.Second:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "setting up observation: a half-life of %s is under a second", c.HalfLife)
	case c.Refresh < 0 || c.ProbeAfter < 0 || c.Steps < 0:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "setting up observation: refresh, probe and steps may not be negative")
	}
	return nil
}
