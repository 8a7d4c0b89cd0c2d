package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// salted is embedders of any name: equal texts have equal vectors, and those of two names have nothing in common.
type salted struct {
	embedded atomic.Int64
	// most is how many texts are embedded; who wants more waits until the context ends. 0: any number.
	most int64
}

func (e *salted) Embedder(name string) (retrieval.Embedder, error) {
	if name == "" {
		name = "old"
	}
	return retrieval.Embedder{Name: name, Identity: name + "@1", Embed: func(ctx context.Context, _ label.Label, texts []string) ([][]float32, error) {
		if n := e.embedded.Add(int64(len(texts))); e.most > 0 && n > e.most {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		out := make([][]float32, len(texts))
		for i, text := range texts {
			out[i] = vectorOf(name + text)
		}
		return out, nil
	}}, nil
}

func saltedService(s retrieval.Store, most int64) (*retrieval.Service, *salted) {
	e := &salted{most: most}
	vectorsAlone := 0.0
	return retrieval.NewService(s, e, retrieval.Config{Batch: 3, Parallel: 3, LexicalWeight: &vectorsAlone}), e
}

// killedPassages is how many passages ReindexKilled has, and eachChild how many of them a child embeds at most.
const killedPassages, eachChild = 240, 60

// ReindexChild is what a process does that ReindexKilled kills: it reindexes what is in the store, tells on out how far
// it is, and never ends by itself before it has told much.
func ReindexChild(ctx context.Context, s retrieval.Store, out io.Writer) error {
	service, _ := saltedService(s, eachChild)
	_, err := service.Reindex(ctx, tenant, "docs", "new", func(r retrieval.Reindex) { fmt.Fprintln(out, "done", r.Done) })
	return err
}

// ReindexKilled kills processes in the middle of a reindex, and holds that the vectors they made are kept and never
// seen, and that another goes on where they were. start gives the command of a process that calls ReindexChild on the
// database of s.
func ReindexKilled(t *testing.T, s Store, start func() *exec.Cmd) {
	service, _ := saltedService(s, 0)
	var sources []retrieval.Source
	for i := range killedPassages {
		sources = append(sources, retrieval.Source{URI: fmt.Sprintf("%03d.txt", i), Content: fmt.Appendf(nil, "text %d", i)})
	}
	if _, err := service.Ingest(t.Context(), tenant, "docs", sources, label.Restricted); err != nil {
		t.Fatal(fault.Cause(err))
	}
	finds := func(embedder string) {
		t.Helper()
		for i := 0; i < killedPassages; i += 17 {
			title := fmt.Sprintf("%03d.txt", i)
			hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf(fmt.Sprintf("%s%s\ntext %d", embedder, title, i)), EmbeddedBy: embedder + "@1", Limit: killedPassages})
			if len(hits) != killedPassages || hits[0].Passage.URI != title || hits[0].VectorScore < 0.999 {
				t.Fatalf("%d passages are found, the nearest to %s is %s (%v)", len(hits), title, hits[0].Passage.URI, hits[0].VectorScore)
			}
		}
	}
	finds("old")
	before := int64(0)
	for kill := range 3 {
		told := killOne(t, start(), before+int64(9*(kill+1)))
		c, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil || c.Embedder != "old" || c.Reindex == nil {
			t.Fatalf("after kill %d the collection is %+v, %v", kill, c, err)
		}
		// What it told was stored, and what it was about to tell may be too.
		if r := c.Reindex; r.Done < told || r.Done > before+eachChild || r.Total != killedPassages {
			t.Errorf("after kill %d, %d of %d are done; it told of %d", kill, r.Done, r.Total, told)
		}
		if waiting := pending(t, s, tenant, "docs"); int64(len(waiting)) != killedPassages-c.Reindex.Done {
			t.Errorf("after kill %d, %d wait and %d are done", kill, len(waiting), c.Reindex.Done)
		}
		finds("old")
		before = c.Reindex.Done
	}
	rest, e := saltedService(s, 0)
	c, err := rest.Reindex(t.Context(), tenant, "docs", "", func(retrieval.Reindex) {})
	if err != nil || c.Embedder != "new" || c.Reindex != nil {
		t.Fatalf("the last call gives %+v, %v", c, err)
	}
	if n := e.embedded.Load() - 1; n != killedPassages-before { // less the one to see how long vectors are
		t.Errorf("the last call embedded %d, and %d were missing", n, killedPassages-before)
	}
	finds("new")
	if got, err := rest.Ingest(t.Context(), tenant, "docs", sources[:1], label.Restricted); err != nil || got[0].Status != retrieval.Unchanged {
		t.Errorf("ingested again: %+v, %v", got, err)
	}
}

// killOne starts a process, kills it when it has told of so many passages, and gives of how many it told in all.
func killOne(t *testing.T, cmd *exec.Cmd, enough int64) int64 {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told, killed := int64(0), false
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		var n int64
		if _, err := fmt.Sscanf(lines.Text(), "done %d", &n); err == nil {
			told = max(told, n)
		}
		if told >= enough && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	if !killed {
		t.Fatalf("the process ended before it could be killed:\n%s", &said)
	}
	return told
}
