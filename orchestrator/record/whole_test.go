package record

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
)

// fill gives every field that can be set a value that is not zero.
func fill(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(elem, path)
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), elem)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.String:
		v.SetString("text of " + path)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	}
}

// Whatever Decide is given comes out of the record again: a field that is added to routing and not to the
// record would make simulations wrong without a word.
func TestAllThatIsDecidedOnIsKept(t *testing.T) {
	q, target, state := &routing.Request{}, &routing.Target{}, routing.State{}
	fill(reflect.ValueOf(q).Elem(), "request")
	fill(reflect.ValueOf(target).Elem(), "target")
	fill(reflect.ValueOf(&state).Elem(), "state")
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	q.At = time.Time{}    // Decide takes the time of the decision
	q.DialectFields = nil // the caller's own words, for a text
	state.Live = nil      // for people
	policy := &routing.Policy{Name: "p"}
	candidates := []routing.Candidate{{Target: target, State: state}}
	d := decided(&orchestrator.RouteDecided{Request: q, Policy: policy, Candidates: candidates, Now: now, Plan: routing.Decide(q, candidates, policy, now)})
	d.Step, d.Tenant = q.Step, q.Tenant // which the run knows
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Decision
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(q, back.request()); diff != "" {
		t.Errorf("the request (-in +out):\n%s", diff)
	}
	if diff := cmp.Diff(candidates[0], back.Candidates[0].candidate(now)); diff != "" {
		t.Errorf("the candidate (-in +out):\n%s", diff)
	}
}
