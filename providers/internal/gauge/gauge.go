// Package gauge reads a few gauges from a page of metrics in the text format of Prometheus. It owns the bound on what that
// costs: a page is read once, line by line, and only the lines of the gauges that were asked for are kept and given to the
// parser (github.com/prometheus/common/expfmt), which makes many times their size of them. It refuses to judge: a value may
// be any number, NaN and the infinities too.
package gauge

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// What a page may hold of the gauges that were asked for: no server has as many engines or models.
const (
	maxSeries = 512
	maxLine   = 4 << 10
	maxKept   = 64 << 10
)

// Accept is what to ask a server for.
const Accept = "text/plain;version=0.0.4;q=1,*/*;q=0.1"

var (
	// ErrTooMuch is the error of a page with more series of the gauges than any server has.
	ErrTooMuch = errors.New("more series than any server has")
	// ErrFormat is the error of a page whose lines cannot be read.
	ErrFormat = errors.New("not in the text format of Prometheus")
)

// Sample is one series of a gauge.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// Page is what a page of metrics says.
type Page struct {
	// Gauges are the series by name. A name without series is not there.
	Gauges map[string][]Sample
	// Own says that a line began with the prefix that was asked for, whatever it was about.
	Own bool
}

// Read reads a page. Errors are ErrTooMuch, ErrFormat, or the reader's own.
func Read(r io.Reader, prefix string, names ...string) (*Page, error) {
	page := &Page{Gauges: map[string][]Sample{}}
	var kept bytes.Buffer
	series := 0
	lines := bufio.NewReaderSize(r, maxLine)
	for begin := true; ; {
		piece, err := lines.ReadSlice('\n')
		if begin && len(piece) > 0 {
			page.Own = page.Own || bytes.HasPrefix(piece, []byte(prefix))
			if wanted(piece, names) {
				if series++; series > maxSeries || kept.Len()+len(piece) > maxKept || err == bufio.ErrBufferFull {
					return nil, ErrTooMuch
				}
				kept.Write(piece)
			}
		}
		begin = err == nil
		switch err {
		case nil, bufio.ErrBufferFull: // the rest of a long line of something else is passed over
		case io.EOF:
			return page, page.parse(&kept)
		default:
			return nil, err
		}
	}
}

// wanted says whether a line is a sample of one of the names.
func wanted(line []byte, names []string) bool {
	end := bytes.IndexAny(line, "{ \t")
	return end > 0 && slices.Contains(names, string(line[:end]))
}

// parse reads the lines that were kept. Without the lines of types, which were not, all of them are untyped.
func (p *Page) parse(kept *bytes.Buffer) error {
	if kept.Len() == 0 {
		return nil
	}
	if kept.Bytes()[kept.Len()-1] != '\n' {
		kept.WriteByte('\n') // the parser wants the last line ended, which some servers leave out
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(kept)
	if err != nil {
		return ErrFormat // its own text quotes the page
	}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			s := Sample{Labels: make(map[string]string, len(m.GetLabel()))}
			for _, l := range m.GetLabel() {
				s.Labels[l.GetName()] = l.GetValue()
			}
			s.Value = value(m)
			p.Gauges[name] = append(p.Gauges[name], s)
		}
	}
	return nil
}

func value(m *dto.Metric) float64 {
	if m.Gauge != nil {
		return m.GetGauge().GetValue()
	}
	return m.GetUntyped().GetValue()
}
