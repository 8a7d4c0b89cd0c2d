package openaihttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
)

// TestDecodeChat compares whole translations: testdata/decode/NAME.json with NAME.golden, which is the engine's
// request or the error as the caller gets it.
func TestDecodeChat(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			call, err := decodeChat(body)
			if (err != nil) != strings.HasPrefix(name, "bad_") {
				t.Errorf("error: %v", err)
			}
			var got []byte
			if err != nil {
				e := fromError(err)
				got = fmt.Appendf(nil, "%d %s\n", e.status, e.body())
			} else if got, err = json.MarshalIndent(call, "", "  "); err != nil {
				t.Fatal(err)
			} else {
				got = append(got, '\n')
			}
			golden(t, strings.TrimSuffix(file, ".json")+".golden", got)
		})
	}
}

func TestDecodeChatTellsZeroFromUnset(t *testing.T) {
	decode := func(settings string) providers.Request {
		call, err := decodeChat([]byte(`{"model":"m","messages":[{"role":"user","content":""}]` + settings + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return call.Request
	}
	if got := decode(""); got.Temperature != nil || got.Seed != nil || got.MaxTokens != nil {
		t.Error("unset settings are set")
	}
	if got := decode(`,"temperature":null,"seed":null`); got.Temperature != nil || got.Seed != nil || got.Extra != nil {
		t.Error("null settings are set")
	}
	if got := decode(`,"temperature":0,"seed":0`); got.Temperature == nil || *got.Temperature != 0 || got.Seed == nil {
		t.Error("settings of zero are lost")
	}
}

func TestDecodeChatRefusesDeepNestingAtOnce(t *testing.T) {
	for name, body := range map[string]string{
		"lists":    `{"x":` + strings.Repeat("[", 1_000_000),
		"objects":  strings.Repeat(`{"x":`, 500_000),
		"messages": `{"messages":[{"content":[{"text":` + strings.Repeat(`[`, 1_000_000),
	} {
		start := time.Now()
		_, err := decodeChat([]byte(body))
		e, ok := errors.AsType[*wireError](err)
		if !ok || e.status != 400 || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
	}
}

func TestDecodeChatHoldsListsToTheirLimits(t *testing.T) {
	turn := `{"role":"user","content":"a"}`
	many := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	for name, c := range map[string]struct{ body, param string }{
		"messages": {`{"model":"m","messages":[` + many(turn, maxMessages+1) + `]}`, "messages[2000]"},
		"tools":    {`{"model":"m","messages":[` + turn + `],"tools":[` + many(`{"type":"function","function":{"name":"f"}}`, maxTools+1) + `]}`, "tools[128]"},
		"stops":    {`{"model":"m","messages":[` + turn + `],"stop":[` + many(`"a"`, maxStops+1) + `]}`, "stop[16]"},
	} {
		_, err := decodeChat([]byte(c.body))
		if e, ok := errors.AsType[*wireError](err); !ok || e.Param != c.param {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorsOfDecodingHoldNoContent(t *testing.T) {
	const secret = "s3cr3t"
	for _, body := range []string{
		`{"model":"m","messages":[{"role":"` + secret + `","content":"a"}]}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"` + secret + `"}]}]}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"` + secret + `"}}]}]}`,
		`{"model":"m","messages":[{"role":"user","content":"a"}],"tool_choice":"` + secret + `"}`,
		`{"model":"m","messages":[{"role":"user","content":"a"}],"metadata":{"label":"` + secret + `"}}`,
		`{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"` + secret + `"}}`,
		`{"model":"m","messages":[{"role":"user","content":"` + secret + `"}],}`,
		`{"` + secret + `":"m" "messages"}`,
		`{"model":"m","messages":[{"role":"user","content":"a"}],"stop":{"` + secret + `":1}}`,
	} {
		_, err := decodeChat([]byte(body))
		if err == nil || strings.Contains(string(fromError(err).body()), secret) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzReader holds the reader to encoding/json: the same texts are JSON, and strings are the same.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+3,true,false,null,"x\u00e9\ud83d\ude00\n"]}`, `"\ud800"`, `"\ud800\u0041"`, `"\ud800\ud800\udc00"`,
		`01`, `-`, `1.`, `1e`, `[1,]`, `{"a":1,}`, `{,}`, `[,]`, "\"\x00\"", `"\x"`, `"\u12"`, `nul`, ` [ ] `, `{}{}`, `""x`, "[\"a\xff\"]",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReader(data)
		r.skip()
		r.end()
		deep := r.err != nil && strings.Contains(r.err.Message, "deeper")
		utf := r.err != nil && strings.Contains(r.err.Message, "UTF-8")
		if !deep && !utf && (r.err == nil) != json.Valid(data) {
			t.Fatalf("reader: %v, encoding/json: %v", r.err, json.Valid(data))
		}
		if r.err == nil && len(data) > 0 {
			r := newReader(data)
			if r.peek() == '"' {
				var want string
				if err := json.Unmarshal(data, &want); err != nil || r.text() != want {
					t.Fatalf("text: want %q, %v", want, err)
				}
			}
		}
	})
}

// FuzzDecodeChat looks for panics, and for requests that the engine must never be handed.
func FuzzDecodeChat(f *testing.F) {
	files, _ := filepath.Glob("testdata/decode/*.json")
	for _, file := range files {
		if body, err := os.ReadFile(file); err == nil {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := decodeChat(body)
		if err != nil {
			if e := fromError(err); e.status != 400 || !json.Valid(e.body()) {
				t.Fatalf("error %d: %s", e.status, e.body())
			}
			return
		}
		if !json.Valid(body) || call.Model == "" || len(call.Request.Messages) == 0 {
			t.Fatalf("taken: %+v", call)
		}
		for _, m := range call.Request.Messages {
			if len(m.Parts) == 0 && len(m.ToolCalls) == 0 {
				t.Fatalf("an empty message: %+v", m)
			}
			for _, p := range m.Parts {
				if p.Image != nil && (p.Image.URL == "") == (p.Image.Data == nil) {
					t.Fatalf("a picture by address and by value, or by neither")
				}
			}
		}
		for name, value := range call.Request.Extra {
			if !json.Valid(value) {
				t.Fatalf("extra field %q is not JSON", name)
			}
		}
	})
}

func BenchmarkDecodeChat(b *testing.B) {
	var turns strings.Builder
	for i := range 20 {
		if i > 0 {
			turns.WriteByte(',')
		}
		fmt.Fprintf(&turns, `{"role":"user","content":%q}`, strings.Repeat("all the words of a turn\n", 20))
	}
	body := []byte(`{"model":"auto","temperature":0.2,"messages":[` + turns.String() + `],"max_tokens":100,"user":"u"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeChat(body); err != nil {
			b.Fatal(err)
		}
	}
}
