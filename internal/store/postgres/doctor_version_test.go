package postgres

import "testing"

func TestVersionsOfPgvector(t *testing.T) {
	for version, want := range map[string]Health{"0.5.1": Bad, "0.7.4": Bad, "0.8.0": Warn, "0.8.3": Warn, "0.8.4": Fine, "0.8.10": Fine, "0.9.0": Fine, "1.0": Fine} {
		if got, text := vectorHealth(version); got != want {
			t.Errorf("%s is %s (%s), want %s", version, got, text, want)
		}
	}
}
