package providertest

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// The goldens: testdata/<case>/request.json is a providers.Request, want.<dialect>.json the body that it
// becomes, or the error with which the adapter refuses it. A test binary that defines the flag "update"
// rewrites the latter.
//
//go:embed testdata
var goldens embed.FS

// runRequests is about what is sent.
func runRequests(t *testing.T, h Harness) {
	w := h.Wire
	noLeak(t)
	names, err := fs.Glob(goldens, "testdata/*/request.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, name := range names {
		dir := filepath.Dir(name)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			req, before := readRequest(t, name), readRequest(t, name)
			if needs := req.Needs(); !h.Does.Has(needs) {
				t.Skipf("the harness does not declare %s", needs)
			}
			s := newServer(t, w.format(), nil)
			r := drain(t, w.generator(t, s, Endpoint{}).Generate(lasting, req), nil)
			if d := cmp.Diff(before, req); d != "" {
				t.Errorf("the call changed the request (-before +after):\n%s", d)
			}
			var got []byte
			var e *providers.Error
			switch asked := s.asked(); {
			case errors.As(r.err, &e) && len(asked) == 0:
				if e.Kind != providers.KindUnsupported && e.Kind != providers.KindInvalid {
					t.Errorf("refused with kind %d: %v", e.Kind, e)
				}
				got, _ = json.Marshal(map[string]any{"refused": e.Error(), "kind": e.Kind})
			case r.err != nil || len(asked) != 1:
				t.Fatalf("asked %d times, %v", len(asked), r.err)
			default:
				got = asked[0].body
			}
			golden(t, filepath.Join(dir, "want."+string(w.Dialect)+".json"), got)
		})
	}

	t.Run("refused without a call", func(t *testing.T) {
		s := newServer(t, w.format(), nil)
		g := w.generator(t, s, Endpoint{})
		hello := []providers.Message{providers.Text(providers.User, "hello")}
		picture := func(i providers.Image) []providers.Message {
			return []providers.Message{{Role: providers.User, Parts: []providers.Part{{Image: &i}}}}
		}
		for name, req := range map[string]*providers.Request{
			"no model":               {Messages: hello},
			"no messages":            {Model: "m"},
			"a role that is none":    {Model: "m", Messages: []providers.Message{providers.Text("wizard", "x")}},
			"parameters of no JSON":  {Model: "m", Messages: hello, Tools: []providers.Tool{{Name: "f", Parameters: json.RawMessage("{")}}},
			"a schema of no JSON":    {Model: "m", Messages: hello, Format: providers.Format{Kind: providers.FormatJSONSchema, Schema: json.RawMessage("{")}},
			"a picture of nothing":   {Model: "m", Messages: picture(providers.Image{})},
			"a picture of two kinds": {Model: "m", Messages: picture(providers.Image{URL: "http://x", Data: []byte("x"), MediaType: "image/png"})},
		} {
			r := drain(t, g.Generate(lasting, req), nil)
			if k := providers.KindOf(r.err); k != providers.KindInvalid && k != providers.KindUnsupported {
				t.Errorf("%s: %v", name, r.err)
			}
		}
		if n := len(s.asked()); n != 0 {
			t.Errorf("the server was asked %d times", n)
		}
	})
}

func readRequest(t *testing.T, name string) *providers.Request {
	t.Helper()
	text, err := goldens.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	req := new(providers.Request)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(req); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return req
}

// golden compares JSON with a file, or rewrites the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	pretty.WriteByte('\n')
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		_, here, _, _ := runtime.Caller(0)
		if err := os.WriteFile(filepath.Join(filepath.Dir(here), name), pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := goldens.ReadFile(name)
	if err != nil {
		t.Fatalf("no golden: run with -update and read what it writes: %v", err)
	}
	if d := cmp.Diff(string(want), pretty.String()); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}
