package evals

import (
	"slices"
	"strings"

	"fairlead/internal/fault"
)

// Only leaves of a suite the cases of ids, and those that have one of tags; where both are empty, all. The error is a
// *fault.Error that names an id or a tag that no case has.
func (s *Suite) Only(ids, tags []string) error {
	if len(ids) == 0 && len(tags) == 0 {
		return nil
	}
	known := map[string]bool{}
	var kept []Case
	for _, c := range s.Cases {
		known["case "+c.ID] = true
		chosen := slices.Contains(ids, c.ID)
		for _, tag := range c.Tags {
			known["tag "+tag] = true
			chosen = chosen || slices.Contains(tags, tag)
		}
		if chosen {
			kept = append(kept, c)
		}
	}
	var missing []string
	for _, id := range ids {
		if !known["case "+id] {
			missing = append(missing, "the case "+id)
		}
	}
	for _, tag := range tags {
		if !known["tag "+tag] {
			missing = append(missing, "the tag "+tag)
		}
	}
	if missing != nil {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "choosing cases of suite %s: it does not have %s", s.Name, strings.Join(missing, ", "))
	}
	s.Cases = kept
	return nil
}
