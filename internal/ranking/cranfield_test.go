package ranking_test

import (
	"os"
	"path/filepath"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/ranking"
	"fairlead/retrieval/retrievaltest"
)

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestJudgementsCountQueriesByPlace(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "cran.all.1400.xml", "<doc>\n<docno>7</docno>\n<title>a\nb</title>\n<text>one &lt; two</text>\n</doc>\n")
	write(t, folder, "cran.qry.xml", "<xml>\r\n<top>\r\n<num> 2</num>\r\n<title>\r\nfirst\r\n</title></top><top><num> 1</num><title>second</title></top>")
	write(t, folder, "cranqrel.trec.txt", "1 0 7 1\r\n2 0 8 3\r\n2 0 9 -1\r\n")
	d, err := ranking.Cranfield(folder)
	if err != nil {
		t.Fatal(err)
	}
	// The first query's <num> is 2: its judgements are those of place 1.
	if q := d.Queries[0]; q.ID != "1" || q.Text != "first" || q.Grades["7"] != 1 || len(q.Grades) != 1 {
		t.Errorf("first query: %+v", q)
	}
	if q := d.Queries[1]; q.Grades["8"] != 3 || q.Grades["9"] != 0 || q.Grades.Relevant() != 1 {
		t.Errorf("second query: %+v", q)
	}
	if doc := d.Documents[0]; doc != (ranking.Document{ID: "7", Title: "a b", Text: "one < two"}) {
		t.Errorf("document: %+v", doc)
	}
}

func TestWrongJudgementsAreRefused(t *testing.T) {
	for _, line := range []string{"1 0 7", "2 0 7 1", "0 0 7 1", "1 0 7 x"} {
		folder := t.TempDir()
		write(t, folder, "cran.all.1400.xml", "<doc><docno>7</docno></doc>")
		write(t, folder, "cran.qry.xml", "<top><title>first</title></top>")
		write(t, folder, "cranqrel.trec.txt", line+"\n")
		if _, err := ranking.Cranfield(folder); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := ranking.Cranfield(t.TempDir()); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestCranfieldItself(t *testing.T) {
	d, err := ranking.Cranfield(retrievaltest.Data(t, "cranfield"))
	if err != nil {
		t.Fatal(err)
	}
	relevant := 0
	for _, q := range d.Queries {
		relevant += q.Grades.Relevant()
	}
	if len(d.Documents) != 1400 || len(d.Queries) != 225 || relevant < 1600 {
		t.Errorf("%d documents, %d queries, %d relevant", len(d.Documents), len(d.Queries), relevant)
	}
	// Document 184 is on similarity laws for aeroelastic models, which the first query asks for.
	if d.Queries[0].Grades["184"] == 0 {
		t.Error("the first query's judgements are not its own")
	}
}
