package keys

import (
	"math"
	"strings"
	"testing"
)

func TestForm(t *testing.T) {
	id, secret := newID([]byte(pepper)), newSecret()
	whole := assemble(id, secret)
	if len(id) != IDLength || len(secret) != secretLength || len(whole) != Length || Length > 64 {
		t.Errorf("lengths: %d, %d, %d", len(id), len(secret), len(whole))
	}
	gotID, gotSecret, err := Parse(whole)
	if gotID != id || gotSecret != secret || err != nil {
		t.Errorf("Parse = %q, %q, %v", gotID, gotSecret, err)
	}
	if got, ok := IDOf(whole); got != id || !ok {
		t.Errorf("IDOf the whole = %q, %v", got, ok)
	}
	if got, ok := IDOf(id); got != id || !ok {
		t.Errorf("IDOf the id = %q, %v", got, ok)
	}
	bad := []string{
		"", "fl_", whole[:Length-1], whole + "a", " " + whole[1:], whole[:Length-1] + " ", whole[:Length-1] + "_", whole[:Length-1] + "\x00",
		strings.ToUpper(whole), "xl_" + whole[3:], whole[:3] + "1" + whole[4:], whole[:3] + "A" + whole[4:], whole[:19] + "-" + whole[20:],
		"Bearer " + whole, whole[:Length-2] + "é", strings.Repeat("a", Length), strings.Repeat("_", 1<<20),
	}
	for _, s := range bad {
		if _, _, err := Parse(s); err == nil {
			t.Errorf("Parse took %q", s)
		} else if s != "" && strings.Contains(err.Error(), s) && len(s) > 3 {
			t.Errorf("the error repeats %q", s)
		}
		if _, ok := IDOf(s); ok {
			t.Errorf("IDOf took %q", s)
		}
	}
}

func TestIDsAreSealed(t *testing.T) {
	id := newID([]byte(pepper))
	if !sealed([]byte(pepper), id) || sealed([]byte("another pepper, which is as long as it"), id) {
		t.Error("the seal is not the pepper's")
	}
	for i := range id {
		changed := []byte(id)
		changed[i] = 'a' + (changed[i]-'a'+1)%26
		if sealed([]byte(pepper), string(changed)) {
			t.Errorf("a change of character %d is not seen", i)
		}
	}
}

// Each character must be as likely as any other, in each place: chi-squared with 61 degrees of freedom, whose value
// is above 150 in fewer than one case in 10^8.
func TestSecretsAreUniform(t *testing.T) {
	const rounds = 4000
	var counts [256]float64
	for range rounds {
		for _, c := range []byte(newSecret()) {
			counts[c]++
		}
	}
	expected := float64(rounds*secretLength) / float64(len(secretAlphabet))
	chi, seen := 0.0, 0.0
	for _, c := range []byte(secretAlphabet) {
		chi += math.Pow(counts[c]-expected, 2) / expected
		seen += counts[c]
	}
	if chi > 150 || seen != rounds*secretLength {
		t.Errorf("chi-squared is %.0f, %v characters seen", chi, seen)
	}
	if newSecret() == newSecret() {
		t.Error("twice the same")
	}
}

func FuzzParse(f *testing.F) {
	whole := assemble(newID([]byte(pepper)), newSecret())
	for _, s := range []string{whole, whole[:40], "fl_", "", whole[:3] + strings.Repeat("\xff", 60), strings.ToUpper(whole)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, secret, err := Parse(s)
		if err != nil {
			if id != "" || secret != "" {
				t.Errorf("an error with %q, %q", id, secret)
			}
			return
		}
		if assemble(id, secret) != s || len(s) != Length || strings.Contains(secret, "_") || !validID(id) {
			t.Errorf("%q was read as %q, %q", s, id, secret)
		}
	})
}
