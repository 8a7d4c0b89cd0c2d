package config

import "time"

// Health is how a server is asked whether it is there.
type Health struct {
	Every   time.Duration `yaml:"every" default:"10s" min:"0s" doc:"How often. What it answers counts for the breakers of its targets: a server that is gone is left alone before a caller meets it, and one that is back is called again at once. 0s: never."`
	Timeout time.Duration `yaml:"timeout" default:"2s" min:"1ms" doc:"How long its answer is waited for."`
}

// Batch is how calls that come at the same time are made as one.
type Batch struct {
	Max   int           `yaml:"max" default:"32" min:"2" max:"4096" doc:"The most items of one call: texts, pictures, or rows of tensors. What one caller sends is never taken apart."`
	Delay time.Duration `yaml:"delay" default:"5ms" min:"0s" max:"1s" doc:"The most time that the first item waits for others. What comes while a call is under way goes together when that one is over, if not sooner. 0s: nobody waits for others, but for a call that is under way."`
}

// Canary is another version that a share of the callers get.
type Canary struct {
	Model   string  `yaml:"model" defaultdoc:"the target's" doc:"Its model, where that has another name."`
	Version string  `yaml:"version" defaultdoc:"the target's" doc:"Its version, by number or by label such as canary."`
	Percent float64 `yaml:"percent" default:"5" min:"0" max:"100" doc:"How many of 100 callers get it. Who gets it with 5 gets it with 10 too."`
}

// Shadow is another version that is asked beside.
type Shadow struct {
	Model   string        `yaml:"model" defaultdoc:"the target's" doc:"Its model, where that has another name."`
	Version string        `yaml:"version" defaultdoc:"the target's" doc:"Its version, by number or by label."`
	Percent float64       `yaml:"percent" default:"100" min:"0" max:"100" doc:"How many of 100 calls are made to it as well."`
	Timeout time.Duration `yaml:"timeout" default:"30s" min:"1ms" doc:"How long its answer is waited for."`
}
