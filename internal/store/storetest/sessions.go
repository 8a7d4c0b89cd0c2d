package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

func mustAppend(t *testing.T, s Store, session string, l label.Label, messages ...providers.Message) {
	t.Helper()
	if err := s.SessionAppend(t.Context(), tenant, session, l, messages); err != nil {
		t.Fatalf("SessionAppend: %v", fault.Cause(err))
	}
}

func wantMessages(t *testing.T, s Store, session string, limit int, want ...providers.Message) {
	t.Helper()
	got, err := s.SessionMessages(t.Context(), tenant, session, limit)
	if err != nil {
		t.Fatalf("SessionMessages: %v", fault.Cause(err))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the last %d of %s (-want +got):\n%s", limit, session, diff)
	}
}

var sessionTests = map[string]func(t *testing.T, s Store){
	"every part of a message comes out": func(t *testing.T, s Store) {
		in := []providers.Message{
			{Role: providers.System, Parts: []providers.Part{{Text: "be brief"}}},
			{Role: providers.User, Name: "ann", Parts: []providers.Part{{Text: "what is <this> & \"that\"?\x00\u2028"},
				{Image: &providers.Image{URL: "https://example.com/a.png", Detail: "low"}}, {Image: &providers.Image{Data: []byte{0, 255, 1}, MediaType: "image/png"}}}},
			{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "1", Name: "look", Arguments: `{"a": 1`}, {ID: "2", Name: "look"}}},
			{Role: providers.ToolRole, ToolCallID: "1", Parts: []providers.Part{{Text: ""}}},
			{Role: providers.ToolRole, ToolCallID: "2", Parts: []providers.Part{{Text: "قطة 猫 🐈"}}},
			{Role: providers.Assistant, Parts: []providers.Part{{Text: "a cat"}}},
		}
		mustAppend(t, s, "s", label.Internal, in...)
		wantMessages(t, s, "s", 100, in...)
	},
	"the last ones, the oldest first": func(t *testing.T, s Store) {
		var all []providers.Message
		for i := range 7 {
			m := providers.Text([]providers.Role{providers.User, providers.Assistant}[i%2], fmt.Sprint(i))
			all = append(all, m)
			if i%3 == 0 {
				mustAppend(t, s, "s", label.Internal, m)
			} else if i%3 == 2 {
				mustAppend(t, s, "s", label.Internal, all[i-1], m)
			}
		}
		for _, limit := range []int{1, 2, 6, 7, 8, 1000} {
			wantMessages(t, s, "s", limit, all[max(0, 7-limit):]...)
		}
		wantMessages(t, s, "s", 0)
		wantMessages(t, s, "nothing", 10)
	},
	"no result without its call": func(t *testing.T, s Store) {
		all := []providers.Message{
			providers.Text(providers.User, "go"),
			{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "1", Name: "f"}, {ID: "2", Name: "g"}}},
			{Role: providers.ToolRole, ToolCallID: "1", Parts: []providers.Part{{Text: "one"}}},
			{Role: providers.ToolRole, ToolCallID: "2", Parts: []providers.Part{{Text: "two"}}},
			providers.Text(providers.Assistant, "done"),
		}
		mustAppend(t, s, "s", label.Internal, all...)
		for limit, want := range map[int][]providers.Message{1: all[4:], 2: all[4:], 3: all[4:], 4: all[1:], 5: all} {
			wantMessages(t, s, "s", limit, want...)
		}
	},
	"the label only rises": func(t *testing.T, s Store) {
		want := func(l label.Label) {
			t.Helper()
			if got, err := s.SessionLabel(t.Context(), tenant, "s"); err != nil || got != l {
				t.Errorf("SessionLabel = %v, %v, want %v", got, err, l)
			}
		}
		want(label.Unset)
		for _, step := range []struct{ l, highest label.Label }{{label.Internal, label.Internal}, {label.Restricted, label.Restricted}, {label.Public, label.Restricted}} {
			mustAppend(t, s, "s", step.l, providers.Text(providers.User, "x"))
			want(step.highest)
		}
	},
	"nothing appended makes it all the same": func(t *testing.T, s Store) {
		mustAppend(t, s, "s", label.Confidential)
		wantMessages(t, s, "s", 10)
		if l, err := s.SessionLabel(t.Context(), tenant, "s"); err != nil || l != label.Confidential {
			t.Errorf("SessionLabel = %v, %v", l, err)
		}
	},
	"two conversations": func(t *testing.T, s Store) {
		mustAppend(t, s, "one", label.Internal, providers.Text(providers.User, "1"))
		mustAppend(t, s, "two' OR '1'='1", label.Internal, providers.Text(providers.User, "2"))
		wantMessages(t, s, "one", 10, providers.Text(providers.User, "1"))
		wantMessages(t, s, "two' OR '1'='1", 10, providers.Text(providers.User, "2"))
	},
	"what is missing is refused": func(t *testing.T, s Store) {
		m := []providers.Message{providers.Text(providers.User, "x")}
		wantFault(t, "no session", s.SessionAppend(t.Context(), tenant, "", label.Internal, m), fault.InvalidArgument, fault.ReasonBadRequest)
		wantFault(t, "no tenant", s.SessionAppend(t.Context(), "", "s", label.Internal, m), fault.InvalidArgument, fault.ReasonBadRequest)
		wantFault(t, "no label", s.SessionAppend(t.Context(), tenant, "s", label.Unset, m), fault.InvalidArgument, fault.ReasonBadRequest)
	},
}
