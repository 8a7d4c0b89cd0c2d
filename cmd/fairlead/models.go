package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) modelsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "models [TARGET]",
		Short: "Show how models stand on their servers, and ready them",
		Long: `Asks the servers behind the targets which versions of their models they have, whether they would answer now, and how busy
they are. A server that does not answer is told of as such.

On a server that asks for keys it takes one with the scope admin, and with operator to warm, pull, roll back and resume.`,
		Example: `  fairlead models
  fairlead models topics
  fairlead models warm local-8b`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.models(cmd, args) },
	}
	c.AddCommand(
		&cobra.Command{
			Use: "warm TARGET", Short: "Have a target's model loaded before it is called", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.warmModel(cmd, args[0]) },
		},
		&cobra.Command{
			Use: "pull TARGET", Short: "Have a target's server fetch its model", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.pullModel(cmd, args[0]) },
		},
		p.rollbackModelCommand(), p.resumeModelCommand(), p.listRollbacksCommand(),
	)
	return c
}

func (p *program) models(cmd *cobra.Command, args []string) error {
	req := &fairleadv1.ListModelsRequest{}
	if len(args) > 0 {
		req.Target = args[0]
	}
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.models.ListModels(cmd.Context(), req)
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	rows := make([][]string, 0, len(resp.GetModels()))
	for _, m := range resp.GetModels() {
		rows = append(rows, []string{m.GetTarget(), m.GetBackend(), clip(modelName(m), 40), readiness(m), clip(versions(m), 60), busyness(m.GetLoad()), loadTime(m), callers(m.GetTraffic())})
	}
	table(p.out, p.style(), []string{"TARGET", "BACKEND", "MODEL", "READY", "VERSIONS", "RUNNING+WAITING", "LOADED IN", "CALLERS"}, rows)
	return nil
}

// modelName gives a model with the version that its target names.
func modelName(m *fairleadv1.TargetModel) string {
	if m.GetVersion() == "" {
		return m.GetModel()
	}
	return m.GetModel() + "@" + m.GetVersion()
}

// readiness says whether a model would answer now, and why not.
func readiness(m *fairleadv1.TargetModel) string {
	text := "-"
	switch {
	case m.Ready != nil && m.GetReady():
		text = "yes"
	case m.Ready != nil:
		text = "no"
	}
	if m.GetDetail() != "" {
		text += ": " + m.GetDetail()
	}
	return clip(text, 70)
}

// versions lists the versions of a model, with their labels and how they stand.
func versions(m *fairleadv1.TargetModel) string {
	parts := make([]string, 0, len(m.GetVersions()))
	for _, v := range m.GetVersions() {
		text := strings.TrimSpace(v.GetVersion() + " " + strings.ToLower(strings.TrimPrefix(v.GetState().String(), "MODEL_STATE_")))
		if len(v.GetLabels()) > 0 {
			text += " (" + strings.Join(v.GetLabels(), ", ") + ")"
		}
		if v.GetBytes() > 0 {
			text += ", " + size(v.GetBytes())
		}
		if v.GetExpiresAt() != nil {
			text += ", until " + v.GetExpiresAt().AsTime().Local().Format(time.TimeOnly)
		}
		parts = append(parts, text)
	}
	return dash(strings.Join(parts, "; "))
}

// busyness shows how busy a backend says it is.
func busyness(l *fairleadv1.BackendLoad) string {
	if l == nil {
		return "-"
	}
	text := fmt.Sprintf("%d+%d", l.GetRunning(), l.GetWaiting())
	if l.CacheUsed != nil {
		text += fmt.Sprintf(", cache %.0f%%", 100*l.GetCacheUsed())
	}
	return text
}

func loadTime(m *fairleadv1.TargetModel) string {
	if m.LoadMs == nil {
		return "-"
	}
	return millis(m.GetLoadMs())
}

// callers says which callers get which version.
func callers(t *fairleadv1.Traffic) string {
	var parts []string
	if t.GetCanary() != "" {
		text := fmt.Sprintf("%g%% get %s", t.GetPercent(), t.GetCanary())
		if t.GetRollback().GetRolledBack() {
			text = "all: " + t.GetCanary() + " is rolled back"
		}
		parts = append(parts, text)
	}
	if t.GetShadow() != "" {
		text := fmt.Sprintf("%g%% shadowed", t.GetShadowPercent())
		if c := t.GetComparison(); c.GetCompared() > 0 {
			text += fmt.Sprintf(", %d of %d agree, likeness %.3f", c.GetAgreed(), c.GetCompared(), c.GetLikeness())
		}
		if n := t.GetComparison().GetFailed(); n > 0 {
			text += fmt.Sprintf(", %d failed", n)
		}
		if n := t.GetComparison().GetDropped(); n > 0 {
			text += fmt.Sprintf(", %d dropped", n)
		}
		parts = append(parts, text)
	}
	return dash(strings.Join(parts, "; "))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// size shows bytes in a unit that fits.
func size(n int64) string {
	value, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, next
	}
	return fmt.Sprintf("%.3g %s", value, unit)
}

func (p *program) warmModel(cmd *cobra.Command, target string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.models.WarmModel(cmd.Context(), &fairleadv1.WarmModelRequest{Target: target})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	fmt.Fprintf(p.out, "%s: its model is in memory; took %s\n", target, millis(resp.GetLoadMs()))
	return nil
}

func (p *program) pullModel(cmd *cobra.Command, target string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	stream, err := cl.models.PullModel(cmd.Context(), &fairleadv1.PullModelRequest{Target: target})
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // its error is told below
	started := time.Now()
	show := p.pullProgress(started)
	for stream.Receive() {
		if p.json {
			if err := printJSON(p.out, stream.Msg()); err != nil {
				return err
			}
		}
		show(stream.Msg())
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if !p.json {
		fmt.Fprintf(p.out, "%s: its server has the model; took %s\n", target, time.Since(started).Round(time.Millisecond))
	}
	return nil
}

// pullProgress shows how far a pull is: on a terminal as a bar, elsewhere as a line of JSON when something else begins, and
// now and then.
func (p *program) pullProgress(started time.Time) func(*fairleadv1.PullModelResponse) {
	told, status := started, ""
	switch {
	case p.json:
		return func(*fairleadv1.PullModelResponse) {} // each message is a line already
	case !isTerminal(p.err):
		return func(m *fairleadv1.PullModelResponse) {
			if m.GetStatus() != status || time.Since(told) >= progressEvery {
				told, status = time.Now(), m.GetStatus()
				_ = printJSON(p.err, m)
			}
		}
	}
	var bar *progressbar.ProgressBar
	return func(m *fairleadv1.PullModelResponse) {
		if bar == nil {
			bar = progressbar.NewOptions64(max(m.GetTotalBytes(), 1), progressbar.OptionSetWriter(p.err), progressbar.OptionShowBytes(true),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		}
		if m.GetStatus() != status {
			status = m.GetStatus()
			bar.Describe(visible(status))
		}
		if total := max(m.GetTotalBytes(), 1); bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(m.GetDoneBytes())
	}
}
