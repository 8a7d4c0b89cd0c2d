package main

import (
	"context"
	"fmt"

	"fairlead/internal/config"
	"fairlead/orchestrator"
	"fairlead/orchestrator/traffic"
	"fairlead/providers"
	"fairlead/providers/scripted"
)

// openTraffic brings the engine in step with what was rolled back, before it answers anybody.
func (a *app) openTraffic(ctx context.Context) (err error) {
	a.closers = append(a.closers, a.engine.Close) // no shadow is asked when the store and the connections close
	a.traffic, err = traffic.New(ctx, a.store, a.engine, traffic.Config{Logger: a.logger, Told: a.telemetry.RolledBack})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.traffic.Close)
	return nil
}

// variants gives a target its canary and its shadow: the same in all but the model, and like it with a pipeline of
// their own where models run over tensors. Errors begin with the key.
func variants(out *orchestrator.Target, t config.Target, predictor providers.Predictor) error {
	stable := *out
	variant := func(key, model, version string) (*orchestrator.Variant, error) {
		v := &orchestrator.Variant{Target: stable}
		named := t // what the pipeline is made of names the model too
		if model != "" {
			// A version of the target's model says nothing of another model.
			named.Model, named.Version = model, ""
		}
		if version != "" {
			named.Version = version
		}
		v.Model, v.Version, v.Encoding = named.Model, named.Version, encoding(stable.Kind, named.Model)
		if stable.Kind == config.KindScripted {
			if _, err := scripted.Parse(v.Model); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		if predictor == nil {
			return v, nil
		}
		if err := pipelined(&v.Target, named, predictor); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		return v, nil
	}
	var err error
	if c := t.Canary; c != nil {
		if out.Canary, err = variant("canary", c.Model, c.Version); err != nil {
			return err
		}
		out.Canary.Percent = c.Percent
	}
	if s := t.Shadow; s != nil {
		if out.Shadow, err = variant("shadow", s.Model, s.Version); err != nil {
			return err
		}
		out.Shadow.Percent, out.Shadow.Timeout = s.Percent, s.Timeout
	}
	return nil
}
