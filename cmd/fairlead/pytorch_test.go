package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const pytorchExample = repository + "/examples/pytorch"

// pytorchConfig gives the example's configuration, with its chain beside it, for a server and the folder of its models.
func pytorchConfig(t *testing.T, url, model string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pytorchExample, "fairlead.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "chains"), os.DirFS(filepath.Join(pytorchExample, "chains"))); err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for from, to := range map[string]string{"grpc://127.0.0.1:8081": url, "model/tokenizer.json": filepath.Join(model, "tokenizer.json")} {
		if strings.Count(changed, from) != 1 {
			t.Fatalf("the example has not one %s", from)
		}
		changed = strings.Replace(changed, from, to, 1)
	}
	return write(t, filepath.Join(folder, "fairlead.yaml"), changed)
}

// The example is read whether or not its models are trained.
func TestPyTorchExampleIsRead(t *testing.T) {
	folder := t.TempDir()
	beside(t, folder)
	file := pytorchConfig(t, "grpc://127.0.0.1:1", folder)
	succeed(t, "config", "check", file)
	e := command(t, "", "ask", "--config", file, "--data", t.TempDir(), "--chain", "triage", "where is my parcel")
	if e.status == 0 || !strings.Contains(e.err, "unavailable") {
		t.Errorf("status %d without a server:\n%s%s", e.status, e.out, e.err)
	}
}

// What the example's page says happens, on the server that its check.sh starts. Without that server the test is skipped.
func TestPyTorchExampleAnswers(t *testing.T) {
	model := os.Getenv("FAIRLEAD_TEST_OIP_MODEL")
	if model == "" {
		t.Skip("FAIRLEAD_TEST_OIP_MODEL is not set: see examples/pytorch/check.sh")
	}
	for _, name := range []string{"FAIRLEAD_TEST_OIP_GRPC", "FAIRLEAD_TEST_OIP_URL"} {
		t.Run(name, func(t *testing.T) {
			file := pytorchConfig(t, os.Getenv(name), model)
			for question, want := range map[string]string{
				"where is my parcel": "delivery", "I was charged twice, please refund me": "billing", "how do I reset my password": "account",
				"the app crashes with an error": "technical",
			} {
				if said := succeed(t, "ask", "--config", file, "--data", t.TempDir(), "--chain", "triage", question); !strings.Contains(said, want) {
					t.Errorf("%q: want %s in %q", question, want, said)
				}
			}
			s := serve(t, "--config", file)
			status, _, body := fetch(t, httpClient(t), "POST", s.address+"/v1/embeddings", "application/json",
				`{"model": "sentences", "input": ["where is my parcel", "my package has not come", "I forgot my password"]}`)
			var answer struct {
				Data []struct {
					Embedding []float64 `json:"embedding"`
				} `json:"data"`
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || len(answer.Data) != 3 {
				t.Fatalf("status %d, %v: %s", status, err, body)
			}
			cosine := func(i, k int) (sum float64) {
				for d, x := range answer.Data[i].Embedding {
					sum += x * answer.Data[k].Embedding[d]
				}
				return sum
			}
			if near, far := cosine(0, 1), cosine(0, 2); near < far+0.1 || len(answer.Data[0].Embedding) != 64 {
				t.Errorf("cosine %v of two sentences about parcels, %v of one about a password", near, far)
			}
		})
	}
}
