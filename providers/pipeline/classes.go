package pipeline

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// classes makes classes of scores.
type classes struct {
	c      Classes
	labels []string
}

const (
	maxLabels     = 100_000
	maxLabelsFile = 16 << 20
	maxLabel      = 1000
	// slack is what a probability may be beyond 0 and 1 by rounding in the model.
	slack = 1e-4
)

func newClasses(c Classes) (*classes, error) {
	if c.Activation == "" {
		c.Activation = None
	}
	if c.Unknown == "" {
		c.Unknown = Unknown
	}
	out := &classes{labels: c.Labels}
	switch {
	case c.Tensor == "":
		return nil, errors.New("tensor must be set: want the name of the model's output")
	case !slices.Contains([]string{None, Softmax, Sigmoid}, c.Activation):
		return nil, errors.New("activation is neither softmax nor sigmoid nor none")
	case c.Temperature < 0 || math.IsNaN(c.Temperature) || math.IsInf(c.Temperature, 0):
		return nil, errors.New("temperature is not above 0")
	case c.Temperature != 0 && c.Activation == None:
		return nil, errors.New("temperature is for logits: set activation to softmax or sigmoid")
	case !(c.Threshold >= 0 && c.Threshold <= 1):
		return nil, errors.New("threshold is not from 0 to 1")
	case c.Top < 0:
		return nil, errors.New("top is below 0")
	case c.Names != "" && (len(c.Labels) > 0 || c.LabelsFile != ""):
		return nil, errors.New("the model names its classes, so there are no labels")
	case c.Names != "" && c.Names == c.Tensor:
		return nil, errors.New("names and scores are one output")
	case len(c.Labels) > 0 && c.LabelsFile != "":
		return nil, errors.New("labels are listed and in a file: want one of them")
	case c.Names == "" && len(c.Labels) == 0 && c.LabelsFile == "":
		return nil, errors.New("labels must be set: want the classes' names in the order of the scores, a file of them, or the output that names them")
	}
	if c.Temperature == 0 {
		c.Temperature = 1
	}
	out.c = c
	if c.LabelsFile != "" {
		var err error
		if out.labels, err = readLabels(c.LabelsFile); err != nil {
			return nil, err
		}
	}
	return out, checkLabels(out.labels, c.Names != "")
}

// readLabels reads a file with a label in each line. An empty line at the end is no label.
func readLabels(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading labels: %w", err)
	}
	defer f.Close()
	var labels []string
	lines := bufio.NewScanner(io.LimitReader(f, maxLabelsFile))
	for lines.Scan() {
		labels = append(labels, strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\xef\xbb\xbf")))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading labels from %s: %w", path, err)
	}
	for len(labels) > 0 && labels[len(labels)-1] == "" {
		labels = labels[:len(labels)-1]
	}
	return labels, nil
}

func checkLabels(labels []string, named bool) error {
	if named {
		return nil
	}
	if len(labels) < 2 || len(labels) > maxLabels {
		return fmt.Errorf("there are %d labels: want 2 to %d", len(labels), maxLabels)
	}
	seen := make(map[string]bool, len(labels))
	for i, l := range labels {
		switch {
		case !isLabel(l):
			return fmt.Errorf("label %d is empty, longer than %d bytes, or no UTF-8", i, maxLabel)
		case seen[l]:
			return fmt.Errorf("label %d is there twice", i)
		}
		seen[l] = true
	}
	return nil
}

func isLabel(s string) bool { return s != "" && len(s) <= maxLabel && utf8.ValidString(s) }

// read makes the classes of count items out of an answer. Errors are about what the model gave.
func (c *classes) read(answer *providers.Prediction, count int) ([][]providers.Class, error) {
	scores := answer.Output(c.c.Tensor)
	values, columns, err := rows(scores, c.c.Tensor, count)
	if err != nil {
		return nil, err
	}
	named, err := c.named(answer, scores)
	if err != nil {
		return nil, err
	}
	// One column for two labels is the score of the second; what the first lacks to it is its own.
	binary := named == nil && columns == 1 && len(c.labels) == 2
	switch {
	case named == nil && columns != len(c.labels) && !binary:
		return nil, fmt.Errorf("output %s has %d classes, and there are %d labels", c.c.Tensor, columns, len(c.labels))
	case binary && c.c.Activation == Softmax:
		return nil, fmt.Errorf("output %s has one column, of which softmax is always 1: sigmoid was meant", c.c.Tensor)
	case columns == 0:
		return nil, fmt.Errorf("output %s has no classes", c.c.Tensor)
	}
	out := make([][]providers.Class, count)
	for i := range out {
		row := values[i*columns : (i+1)*columns]
		if err := c.activate(row); err != nil {
			return nil, err
		}
		if binary {
			row = []float64{1 - row[0], row[0]}
		}
		list := make([]providers.Class, len(row))
		for k, p := range row {
			list[k].Probability = p
			if named != nil {
				list[k].Name = named[i*columns+k]
			} else {
				list[k].Name = c.labels[k]
			}
		}
		out[i] = c.choose(list)
	}
	return out, nil
}

// rows gives the numbers of an output of shape [n] or [n, columns].
func rows(t *tensor.Tensor, name string, count int) (values []float64, columns int, err error) {
	switch {
	case t == nil:
		return nil, 0, fmt.Errorf("it gave no output %s", name)
	case !t.Type.Numeric():
		return nil, 0, fmt.Errorf("output %s is of type %s, and not of numbers", name, t.Type)
	case t.Check(tensor.Limits{}) != nil:
		return nil, 0, fmt.Errorf("output %s is not as its shape says, or too large", name)
	case len(t.Shape) == 0 || len(t.Shape) > 2 || t.Shape[0] != int64(count):
		return nil, 0, fmt.Errorf("output %s has the shape %v, want [%d, classes]", name, t.Shape, count)
	case !t.Finite():
		return nil, 0, fmt.Errorf("output %s holds what is not a finite number", name)
	}
	columns = 1
	if len(t.Shape) == 2 {
		columns = int(t.Shape[1])
	}
	values, err = t.Floats()
	return values, columns, err
}

// named gives the names that the model gave, one for each score; nil where it names none.
func (c *classes) named(answer *providers.Prediction, scores *tensor.Tensor) ([]string, error) {
	if c.c.Names == "" {
		return nil, nil
	}
	t := answer.Output(c.c.Names)
	if t == nil || t.Type != tensor.String || !slices.Equal(t.Shape, scores.Shape) || t.Check(tensor.Limits{}) != nil {
		return nil, fmt.Errorf("output %s does not name the classes of output %s, one for each", c.c.Names, c.c.Tensor)
	}
	names, err := t.Texts()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(names, func(s string) bool { return !isLabel(s) }) {
		return nil, fmt.Errorf("output %s has a name that is empty, longer than %d bytes, or no UTF-8", c.c.Names, maxLabel)
	}
	return names, nil
}

// activate makes probabilities of scores, in place.
func (c *classes) activate(row []float64) error {
	switch c.c.Activation {
	case Softmax:
		softmax(row, c.c.Temperature)
	case Sigmoid:
		for i, v := range row {
			row[i] = sigmoid(v / c.c.Temperature)
		}
	default:
		for i, v := range row {
			if !(v >= -slack && v <= 1+slack) {
				return fmt.Errorf("output %s holds what is no probability: are they logits? Then set activation", c.c.Tensor)
			}
			row[i] = min(1, max(0, v))
		}
	}
	return nil
}

// softmax makes probabilities of logits, which are taken relative to the largest: so nothing overflows, and the sum is
// at least 1.
func softmax(row []float64, temperature float64) {
	largest, sum := slices.Max(row), 0.0
	for i, v := range row {
		row[i] = math.Exp((v - largest) / temperature)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

// sigmoid is 1/(1+e^-x), without overflow on either side.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// choose puts the most probable first, and says that the class is unknown where none is probable enough.
func (c *classes) choose(list []providers.Class) []providers.Class {
	slices.SortStableFunc(list, func(a, b providers.Class) int { return cmp.Compare(b.Probability, a.Probability) })
	if best := list[0].Probability; best < c.c.Threshold {
		return []providers.Class{{Name: c.c.Unknown, Probability: 1 - best}}
	}
	if c.c.Top > 0 && c.c.Top < len(list) {
		list = slices.Clone(list[:c.c.Top])
	}
	return list
}
