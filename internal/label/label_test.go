package label

import "testing"

func TestParseRoundTrip(t *testing.T) {
	for _, name := range Names() {
		l, err := Parse(name)
		if err != nil || !l.Valid() || l.String() != name {
			t.Errorf("Parse(%q) = %v, %v", name, l, err)
		}
		text, err := l.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("MarshalText(%v) = %q, %v", l, text, err)
		}
	}
	if l, err := Parse(" Internal "); err != nil || l != Internal {
		t.Errorf("case and space: %v, %v", l, err)
	}
	if l, err := Parse(""); err != nil || l != Unset || l.Valid() {
		t.Errorf("empty: %v, %v", l, err)
	}
	var l Label
	if err := l.UnmarshalText([]byte("secret")); err == nil {
		t.Error("an unknown label was read")
	}
}

func TestJoinIsTheHighest(t *testing.T) {
	if got := Join(Public, Restricted, Internal); got != Restricted {
		t.Errorf("Join = %v", got)
	}
	if got := Join(); got != Unset {
		t.Errorf("Join of nothing = %v", got)
	}
	if got := Unset.Or(Internal); got != Internal {
		t.Errorf("Or = %v", got)
	}
}
