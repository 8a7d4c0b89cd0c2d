package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// renderer shows a run as it happens: the answer as it streams, then its sources, then its steps.
type renderer struct {
	out, err io.Writer
	style    style
	json     bool

	// said is true while text of an answer stands on the current line.
	said bool
	// streamed is true when text of an answer came before the end.
	streamed  bool
	citations []*fairleadv1.Citation
	steps     []*shownStep
	finished  *fairleadv1.RunFinished
}

// shownStep is a line of the table of steps.
type shownStep struct {
	path, kind, target, why, cost, ttft, status string
	total                                       float64
	plan                                        *fairleadv1.Plan
	attempts                                    []string
}

// event takes the next event.
func (r *renderer) event(ev *fairleadv1.Event) error {
	if r.json {
		if f := ev.GetRunFinished(); f != nil {
			r.finished = f
		}
		return printJSON(r.out, ev)
	}
	switch k := ev.GetKind().(type) {
	case *fairleadv1.Event_StepStarted:
		r.steps = append(r.steps, &shownStep{path: ev.GetStep(), kind: k.StepStarted.GetKind()})
	case *fairleadv1.Event_RouteDecided:
		s := r.step(ev.GetStep())
		s.plan, s.why = k.RouteDecided.GetPlan(), reason(k.RouteDecided.GetPlan().GetSummary())
	case *fairleadv1.Event_AttemptStarted:
		r.step(ev.GetStep()).target = k.AttemptStarted.GetTarget()
	case *fairleadv1.Event_AttemptFailed:
		s := r.step(ev.GetStep())
		s.attempts = append(s.attempts, fmt.Sprintf("%s: %s", k.AttemptFailed.GetTarget(), k.AttemptFailed.GetMessage()))
	case *fairleadv1.Event_TextDelta:
		if k.TextDelta.GetOutput() {
			fmt.Fprint(r.out, visible(k.TextDelta.GetText()))
			r.said, r.streamed = true, true
		}
	case *fairleadv1.Event_ToolCallDelta:
		if d := k.ToolCallDelta; d.GetName() != "" {
			r.line()
			fmt.Fprint(r.out, r.style.faint("tool call: "), visible(d.GetName()), " ")
			r.said = true
		}
		fmt.Fprint(r.out, visible(k.ToolCallDelta.GetArguments()))
	case *fairleadv1.Event_Citation:
		r.citations = append(r.citations, k.Citation)
	case *fairleadv1.Event_Retracted:
		r.citations = nil
		r.line()
		fmt.Fprintln(r.out, r.style.red("— withdrawn: "+visible(k.Retracted.GetReason())+"; starting again —"))
	case *fairleadv1.Event_Usage:
		s := r.step(ev.GetStep())
		s.cost = money(k.Usage.GetCost())
		if k.Usage.TtftMs != nil {
			s.ttft = millis(k.Usage.GetTtftMs())
		}
	case *fairleadv1.Event_StepFinished:
		s := r.step(ev.GetStep())
		s.total = k.StepFinished.GetDurationMs()
		s.status = strings.ToLower(strings.TrimPrefix(k.StepFinished.GetStatus().String(), "STATUS_"))
		if s.why == "" {
			s.why = outcome(k.StepFinished)
		}
	case *fairleadv1.Event_RunFinished:
		r.finished = k.RunFinished
	}
	return nil
}

// reason is a plan's summary without the target's name, which stands in a column of its own.
func reason(summary string) string {
	if _, why, ok := strings.Cut(summary, ": "); ok {
		return why
	}
	return summary
}

// outcome says in a few words what a step without a plan came to.
func outcome(f *fairleadv1.StepFinished) string {
	if f.GetReason() != "" {
		return f.GetReason()
	}
	fields := f.GetResult().GetFields()
	switch {
	case fields["collection"] != nil:
		return fmt.Sprintf("%.0f passages of %s", fields["count"].GetNumberValue(), fields["collection"].GetStringValue())
	case fields["case"] != nil:
		return "case " + fields["case"].GetStringValue()
	}
	return ""
}

func (r *renderer) step(path string) *shownStep {
	for i := len(r.steps) - 1; i >= 0; i-- {
		if r.steps[i].path == path {
			return r.steps[i]
		}
	}
	s := &shownStep{path: path}
	r.steps = append(r.steps, s)
	return s
}

// line ends the line that an answer left open.
func (r *renderer) line() {
	if r.said {
		fmt.Fprintln(r.out)
		r.said = false
	}
}

// end shows what stands under an answer. A stream that ended without its last event is an error.
func (r *renderer) end() error {
	r.line()
	if r.finished == nil {
		return errors.New("reading the run: the server's stream ended without its last event, so the answer is not whole")
	}
	if r.json {
		return nil
	}
	if output := r.finished.GetOutput(); output != "" && !r.streamed {
		fmt.Fprintln(r.out, visible(output)) // made of several steps, it is known at the end
	}
	r.sources()
	return nil
}

// sources lists the citations, one line for each number and place.
func (r *renderer) sources() {
	seen := map[string]bool{}
	for _, c := range r.citations {
		line := fmt.Sprintf("  [%d] %s", c.GetNumber(), place(c.GetUri(), c.GetSpan()))
		if len(c.GetHeading()) > 0 {
			line += "  " + r.style.faint(visible(strings.Join(c.GetHeading(), " › ")))
		}
		if !seen[line] {
			seen[line] = true
			fmt.Fprintln(r.out, line)
		}
	}
}

// table shows the steps.
func (r *renderer) table() {
	if r.json || len(r.steps) == 0 {
		return
	}
	rows := make([][]string, 0, len(r.steps))
	for _, s := range r.steps {
		why := s.why
		if len(s.attempts) > 0 {
			why += fmt.Sprintf(" (after %d failed)", len(s.attempts))
		}
		if s.status == "skipped" || s.status == "failed" {
			why = s.status + ": " + why
		}
		rows = append(rows, []string{s.path, dash(s.target), dash(clip(why, 64)), dash(s.cost), dash(s.ttft), millis(s.total)})
	}
	table(r.out, r.style, []string{"STEP", "TARGET", "WHY", "COST", "FIRST TOKEN", "TOTAL"}, rows)
	if f := r.finished; f != nil {
		note := ""
		if f.GetCostIncomplete() {
			note = " at least: a price is not known"
		}
		fmt.Fprintf(r.out, "%s in %s, %s%s\n", r.style.faint("whole run"), millis(f.GetDurationMs()), money(f.GetCost()), note)
	}
}

// explain shows every plan in full.
func (r *renderer) explain() {
	for _, s := range r.steps {
		if s.plan != nil {
			fmt.Fprintf(r.out, "\n%s  policy %s, label %s", r.style.bold(s.path), s.plan.GetPolicy(), labelName(s.plan.GetLabel()))
			if n := s.plan.GetPromptTokens(); n > 0 { // pictures and tensors have none
				fmt.Fprintf(r.out, ", about %d prompt tokens", n)
			}
			fmt.Fprintln(r.out)
			planTable(r.out, r.style, s.plan)
			for _, a := range s.attempts {
				fmt.Fprintln(r.out, r.style.red("  failed: ")+visible(a))
			}
		}
	}
}

// planTable shows what was decided about each target.
func planTable(w io.Writer, s style, plan *fairleadv1.Plan) {
	rows := make([][]string, 0, len(plan.GetCandidates()))
	for _, c := range plan.GetCandidates() {
		rank, cost, quality, score := "out", "unknown", "unknown", "-"
		if c.GetEligible() {
			rank = fmt.Sprint(c.GetRank())
		}
		if c.GetPredictedCost() != nil {
			cost = money(c.GetPredictedCost())
		}
		if c.Quality != nil {
			quality = fmt.Sprintf("%.2f", c.GetQuality())
			if e := c.GetQualityEstimate(); e != nil {
				quality = fmt.Sprintf("%.2f (%s, %.2f-%.2f)", c.GetQuality(), visible(e.GetSource()), e.GetLow(), e.GetHigh())
			}
		}
		if c.Score != nil {
			score = fmt.Sprintf("%.3f", c.GetScore())
		}
		why := c.GetReason()
		if why != "" && c.GetDetail() != "" {
			why += ": "
		}
		why += c.GetDetail()
		rows = append(rows, []string{rank, c.GetTarget(), c.GetBackend(), labelName(c.GetClearance()), quality, cost, score, why})
	}
	table(w, s, []string{"RANK", "TARGET", "BACKEND", "CLEARANCE", "QUALITY", "COST AT MOST", "SCORE", "WHY NOT"}, rows)
}
