package learned

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Format is the version of the file. Another one is refused.
const Format = "fairlead.router/1"

// What a file may hold.
const (
	// MaxBytes is the largest file that is read.
	MaxBytes      = 8 << 20
	maxTargets    = 32
	MaxNeighbours = 1 << 14
	keyBytes      = 3 * KeySize
	maxThresholds = 64
	maxBins       = 256
	maxName       = 128
)

// Artefact is a model as a file holds it: all of it readable but for the numbers, which are packed.
type Artefact struct {
	Format string `json:"format"`
	// SHA256 is that of the artefact's compact JSON with this field empty.
	SHA256 string `json:"sha256"`
	// Active says that the model may decide: its Test was passed.
	Active bool `json:"active"`
	// Verdict says why, for people.
	Verdict string `json:"verdict"`
	Test    Test   `json:"test"`
	// Features is the FeatureVersion.
	Features int      `json:"features"`
	Trained  Origin   `json:"trained"`
	Targets  []Target `json:"targets"`
	// Thresholds are where the stats of a text's shape are cut, by the name of the stat's place.
	Thresholds [][]float32 `json:"shape_thresholds"`
	// Near is the mean cosine of the nearest prompts below which a prompt is like none that was seen.
	Near float32 `json:"near"`
	// Rarity holds a byte for each slot: how rare its features are, in 16ths. Packed fields are base64.
	Rarity []byte `json:"rarity"`
	// Keys are the prompts that it was trained on, as far as they are remembered: KeySize slots of 2 bytes each, little
	// endian, then KeySize weights of a byte. Outcomes are their scores for each target, in 254ths; 255 is unknown.
	Keys     []byte `json:"keys"`
	Outcomes []byte `json:"outcomes"`
}

// Target is what was learned of one target.
type Target struct {
	Name string `json:"name"`
	// Prompts is how many outcomes there were, and Mean their mean.
	Prompts int     `json:"prompts"`
	Mean    float64 `json:"mean"`
	// Intercept and Near are the blend: logit(quality) = Intercept + words + shape + Near·logit(neighbours).
	Intercept float64 `json:"intercept"`
	Near      float64 `json:"near"`
	// Scale is what one step of Weights is worth. Weights holds 2 bytes for each slot, little endian, signed.
	Scale   float64 `json:"scale"`
	Weights []byte  `json:"weights"`
	// Shape is what a stat adds, by its place, where it is above each of its thresholds.
	Shape [][]float32 `json:"shape"`
	// Bins say how the predictions did on prompts that they were not trained on, from the lowest.
	Bins []Bin `json:"bins"`
}

// Bin is the predictions up to a quality.
type Bin struct {
	UpTo    float64 `json:"up_to"`
	Prompts int     `json:"prompts"`
	// Mean is the mean score that there was.
	Mean float64 `json:"mean"`
}

// Origin says what a model was trained on.
type Origin struct {
	// Date is as the one who trained gave it.
	Date string `json:"date"`
	// Data is the SHA-256 of the data, in its canonical form.
	Data    string `json:"data_sha256"`
	Prompts int    `json:"prompts"`
	Groups  int    `json:"groups"`
	Folds   int    `json:"folds"`
	// HeldOut is what a fold held out: "group" or "prompt".
	HeldOut string `json:"held_out"`
	Seed    uint64 `json:"seed"`
}

// Test is what decides whether the model may be used. See package router of the evals for what the figures mean.
type Test struct {
	Weak   string `json:"weak"`
	Strong string `json:"strong"`
	APGR   Figure `json:"apgr"`
	CPT50  Figure `json:"cpt50"`
	CPT80  Figure `json:"cpt80"`
	// Advantage is by how much the mean quality is above that of the best mix of single targets at equal cost, and
	// ByCalls the same as if every call cost the same.
	Advantage Figure `json:"advantage"`
	ByCalls   Figure `json:"advantage_by_calls"`
	// Length is the APGR of routing by the prompt's length alone.
	Length Figure `json:"apgr_of_length"`
}

// Figure is an estimate with its 95 % interval.
type Figure struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Pass says whether the advantage is surely above nothing, however calls are paid.
func (t *Test) Pass() bool { return t.Advantage.Low > 0 && t.ByCalls.Low > 0 }

// Encode gives the file, with its hash filled in.
func (a *Artefact) Encode() ([]byte, error) {
	sum, err := a.sum()
	if err != nil {
		return nil, err
	}
	a.SHA256 = sum
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(a); err != nil {
		return nil, fmt.Errorf("writing a router's model: %w", err)
	}
	if b.Len() > MaxBytes {
		return nil, fmt.Errorf("writing a router's model: it would have %d bytes, and at most %d are read", b.Len(), MaxBytes)
	}
	return b.Bytes(), nil
}

func (a *Artefact) sum() (string, error) {
	blank := *a
	blank.SHA256 = ""
	compact, err := json.Marshal(&blank)
	if err != nil {
		return "", fmt.Errorf("writing a router's model: %w", err)
	}
	sum := sha256.Sum256(compact)
	return hex.EncodeToString(sum[:]), nil
}

// Decode reads a file and checks all of it. It does not ask whether the model is active. It is not fooled by sizes:
// nothing is made that is larger than the file.
func Decode(data []byte) (*Artefact, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("reading a router's model: it has %d bytes, and at most %d are read", len(data), MaxBytes)
	}
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, errors.New("reading a router's model: it is no JSON object of ours")
	}
	if head.Format != Format {
		return nil, fmt.Errorf("reading a router's model: its format is %.40q, and %q is read: train it with this version", head.Format, Format)
	}
	a := new(Artefact)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(a); err != nil {
		return nil, errors.New("reading a router's model: a field is not what it should be: train it anew")
	}
	if d.More() {
		return nil, errors.New("reading a router's model: something stands behind it")
	}
	if a.Features != FeatureVersion {
		return nil, fmt.Errorf("reading a router's model: its features are of version %d, and this program's of %d: train it anew", a.Features, FeatureVersion)
	}
	sum, err := a.sum()
	if err != nil || sum != a.SHA256 {
		return nil, errors.New("reading a router's model: its content is not what its hash says: it was changed after it was written")
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("reading a router's model: %w: train it anew", err)
	}
	return a, nil
}

// check says what does not fit together.
func (a *Artefact) check() error {
	if len(a.Targets) == 0 || len(a.Targets) > maxTargets {
		return fmt.Errorf("it has %d targets, and 1 to %d are taken", len(a.Targets), maxTargets)
	}
	if len(a.Rarity) != Slots || len(a.Thresholds) != ShapeSize {
		return errors.New("its features are not as many as they should be")
	}
	for _, t := range a.Thresholds {
		if len(t) > maxThresholds || !slices.IsSorted(t) || !finite32(t) {
			return errors.New("the thresholds of its shape are not in order")
		}
	}
	n := len(a.Keys) / keyBytes
	if len(a.Keys)%keyBytes != 0 || n > MaxNeighbours || len(a.Outcomes) != n*len(a.Targets) {
		return errors.New("its neighbours are not as many as their outcomes")
	}
	if !finite(float64(a.Near)) {
		return errors.New("its nearness is no number")
	}
	if a.Active && !a.Test.Pass() {
		return errors.New("it is said to be active, and its own test was not passed")
	}
	names := map[string]bool{}
	for i := range a.Targets {
		t := &a.Targets[i]
		if t.Name == "" || len(t.Name) > maxName || names[t.Name] {
			return errors.New("a target has no name of its own")
		}
		names[t.Name] = true
		if err := t.check(a.Thresholds); err != nil {
			return fmt.Errorf("target %q: %w", t.Name, err)
		}
	}
	return nil
}

func (t *Target) check(thresholds [][]float32) error {
	if len(t.Weights) != 2*Slots || len(t.Shape) != ShapeSize {
		return errors.New("its weights are not as many as the features")
	}
	for i, w := range t.Shape {
		if len(w) != len(thresholds[i]) || !finite32(w) {
			return errors.New("its shape does not fit the thresholds")
		}
	}
	if !finite(t.Mean, t.Intercept, t.Near, t.Scale) || t.Mean < 0 || t.Mean > 1 || t.Prompts < 0 {
		return errors.New("its figures are not in order")
	}
	if len(t.Bins) == 0 || len(t.Bins) > maxBins {
		return fmt.Errorf("it has %d bins, and 1 to %d are taken", len(t.Bins), maxBins)
	}
	for i, b := range t.Bins {
		if !finite(b.UpTo, b.Mean) || b.Mean < 0 || b.Mean > 1 || b.Prompts < 1 || i > 0 && b.UpTo < t.Bins[i-1].UpTo {
			return errors.New("its bins are not in order")
		}
	}
	return nil
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e6 {
			return false
		}
	}
	return true
}

func finite32(values []float32) bool {
	for _, v := range values {
		if !finite(float64(v)) {
			return false
		}
	}
	return true
}
