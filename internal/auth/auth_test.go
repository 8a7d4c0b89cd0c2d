package auth

import (
	"strings"
	"testing"

	"fairlead/internal/fault"
)

func TestRequire(t *testing.T) {
	for need := Scopes(1); need <= Operator; need <<= 1 {
		for has := range AllScopes + 1 {
			p := Principal{Scopes: has}
			want := has&need != 0 || need == Admin && has&Operator != 0
			err := p.Require(need)
			if (err == nil) != want {
				t.Errorf("%s with %q: %v", need, has, err)
			}
			if err != nil && (fault.CodeOf(err) != fault.PermissionDenied || fault.ReasonOf(err) != fault.ReasonNotAllowed || !strings.Contains(err.Error(), need.String())) {
				t.Errorf("%s with %q: %v", need, has, err)
			}
		}
	}
	if (&Principal{}).Require(Chat) == nil {
		t.Error("no scopes are all scopes")
	}
}

func TestScopesHaveNames(t *testing.T) {
	for set := range AllScopes + 1 {
		back, err := ParseScopes(set.Names()...)
		if err != nil || back != set {
			t.Errorf("%v is read as %v, %v", set, back, err)
		}
	}
	for _, name := range []string{"", "Chat", "chat,search", "root", "chat "} {
		if _, err := ParseScopes("chat", name); err == nil {
			t.Errorf("%q is a scope", name)
		}
	}
}

func TestNilIsAllAndEmptyIsNone(t *testing.T) {
	if p := (&Principal{}); !p.MayUseModel("x") || !p.MayUsePolicy("x") {
		t.Error("nil is not all")
	}
	p := &Principal{Models: []string{}, Policies: []string{}}
	if p.MayUseModel("x") || p.MayUsePolicy("x") {
		t.Error("an empty list is all")
	}
	p = &Principal{Models: []string{"a"}, Policies: []string{"b"}}
	if !p.MayUseModel("a") || p.MayUseModel("b") || !p.MayUsePolicy("b") || p.MayUsePolicy("a") {
		t.Error("a list is not itself")
	}
}
