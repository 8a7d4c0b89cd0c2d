package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"fairlead/evals"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr,omitempty"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr,omitempty"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *struct{}     `xml:"skipped"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes reports as JUnit XML: a suite of its gates for each report, of which the red ones fail, and a suite of
// its cases, of which those without an outcome are errors. A case whose score is low is no failure: gates judge.
func JUnit(w io.Writer, reports ...*evals.Report) error {
	all := junitSuites{}
	for _, r := range reports {
		for _, s := range []junitSuite{gates(r), cases(r)} {
			all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
			all.Suites = append(all.Suites, s)
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func gates(r *evals.Report) junitSuite {
	s := junitSuite{Name: r.Suite + ": gates"}
	for i := range r.Scorers {
		sc := &r.Scorers[i]
		if sc.Verdict == nil {
			continue
		}
		c := junitCase{Name: sc.Name, Class: r.Suite + ".gates"}
		if !sc.Verdict.Green {
			var b strings.Builder
			red(&b, r, i)
			c.Failure = &junitProblem{Message: sc.Name + " is red", Text: legal(b.String())}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
	return s
}

func cases(r *evals.Report) junitSuite {
	s := junitSuite{Name: r.Suite}
	total := 0.0
	for i := range r.Cases {
		c := &r.Cases[i]
		for j := range c.Runs {
			run := &c.Runs[j]
			total += run.Latency
			one := junitCase{Name: legal(place(r, c.ID, j)), Class: r.Suite, Time: seconds(run.Latency)}
			var why []string
			if run.Error != "" {
				why = append(why, run.Error)
			}
			skipped := len(run.Scores) > 0
			for k, sc := range run.Scores {
				if sc.Error != "" && run.Error == "" {
					why = append(why, r.Scorers[k].Name+": "+sc.Error)
				}
				skipped = skipped && sc.Skipped != ""
			}
			switch {
			case why != nil:
				one.Error = &junitProblem{Message: "not measured", Text: legal(strings.Join(why, "\n"))}
				s.Errors++
			case skipped:
				one.Skipped = &struct{}{}
				s.Skipped++
			}
			s.Cases = append(s.Cases, one)
			s.Tests++
		}
	}
	s.Time = seconds(total)
	return s
}

func seconds(ms float64) string {
	if ms == 0 {
		return ""
	}
	return fmt.Sprintf("%.3f", ms/1000)
}

// legal leaves out the characters that XML cannot hold.
func legal(text string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' || c == '\n' || c == '\r' || c >= 0x20 && c != 0xFFFE && c != 0xFFFF {
			return c
		}
		return -1
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
