package ranking

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fairlead/evals/score"
	"fairlead/internal/fault"
)

// Dataset is a judged collection.
type Dataset struct {
	Name      string
	Documents []Document
	Queries   []Query
}

// Document is one of a dataset.
type Document struct {
	ID, Title, Text string
}

// Query is one of a dataset, with what is relevant to it.
type Query struct {
	ID, Text string
	Grades   score.Grades
}

// Cranfield reads the Cranfield collection in TREC form from a folder: cran.all.1400.xml, cran.qry.xml and
// cranqrel.trec.txt.
//
// The judgements count the queries by their place in the file, from 1; the <num> of a query runs to 365
// and means something else.
func Cranfield(folder string) (*Dataset, error) {
	read := func(name string) ([]byte, error) {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest,
				"reading the Cranfield collection: %s cannot be read: name the folder that holds it", name)
		}
		return content, nil
	}
	documents, err := read("cran.all.1400.xml")
	if err != nil {
		return nil, err
	}
	queries, err := read("cran.qry.xml")
	if err != nil {
		return nil, err
	}
	judgements, err := read("cranqrel.trec.txt")
	if err != nil {
		return nil, err
	}
	d := &Dataset{Name: "cranfield"}
	// The files are not XML as a whole: the elements are cut out.
	for _, doc := range elements(documents, "doc") {
		d.Documents = append(d.Documents, Document{ID: element(doc, "docno"), Title: element(doc, "title"), Text: body(doc, "text")})
	}
	for i, top := range elements(queries, "top") {
		d.Queries = append(d.Queries, Query{ID: strconv.Itoa(i + 1), Text: element(top, "title"), Grades: score.Grades{}})
	}
	for number, line := range strings.Split(string(judgements), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if err := d.judge(fields); err != nil {
			return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
				"reading the Cranfield collection: line %d of the judgements %s", number+1, err)
		}
	}
	if len(d.Documents) == 0 || len(d.Queries) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
			"reading the Cranfield collection: there are no documents or no queries in the files")
	}
	return d, nil
}

// judge takes one line: query, iteration, document, grade.
func (d *Dataset) judge(fields []string) error {
	if len(fields) != 4 {
		return fmt.Errorf("has %d fields, not 4", len(fields))
	}
	place, err := strconv.Atoi(fields[0])
	if err != nil || place < 1 || place > len(d.Queries) {
		return fmt.Errorf("names a query that is not 1 to %d", len(d.Queries))
	}
	grade, err := strconv.ParseFloat(fields[3], 64)
	if err != nil {
		return fmt.Errorf("has a grade that is not a number")
	}
	d.Queries[place-1].Grades[fields[2]] = max(grade, 0)
	return nil
}

// elements gives what is between <name> and </name>, each time.
func elements(b []byte, name string) [][]byte {
	from, to := []byte("<"+name+">"), []byte("</"+name+">")
	var out [][]byte
	for {
		_, rest, found := bytes.Cut(b, from)
		if !found {
			return out
		}
		inside, after, found := bytes.Cut(rest, to)
		if !found {
			return out
		}
		out = append(out, inside)
		b = after
	}
}

// body gives the text of the first element of a name.
func body(b []byte, name string) string {
	all := elements(b, name)
	if len(all) == 0 {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(string(all[0])))
}

// element is body with its space squeezed.
func element(b []byte, name string) string {
	return strings.Join(strings.Fields(body(b, name)), " ")
}
