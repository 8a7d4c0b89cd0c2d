package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

func (p *program) ingestCommand() *cobra.Command {
	o := ingestOptions{}
	var label string
	c := &cobra.Command{
		Use:   "ingest PATH|URL...",
		Short: "Store documents: files, folders, patterns or addresses",
		Long: `Reads Markdown, text, HTML, PDF, DOCX, CSV and JSON Lines, and stores their passages. What is there to the
byte is not stored again, what changed replaces what was there. A document that cannot be read is named, and the rest
goes on; the exit status is then 1.

What broke on the way is tried again. After an interruption run the same command again: what was stored stays, and is
not embedded twice. With --prune, documents below a folder whose files are gone are deleted.`,
		Example: `  fairlead ingest docs/ --collection handbook
  fairlead ingest 'reports/*.pdf' --label confidential
  fairlead ingest --list addresses.txt --parallel 8 --report report.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.label, err = parseLabel(label); err != nil {
				return err
			}
			if len(args) == 0 && o.list == "" {
				return &usageError{errors.New("nothing to ingest: name at least 1 file, folder, pattern or address, or a --list of them")}
			}
			if o.parallel < 1 || o.parallel > 64 {
				return &usageError{errors.New("reading --parallel: use 1 to 64")}
			}
			entries, err := o.find(args, p.in)
			if err != nil {
				return err
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			in, err := newIngestion(cl, o)
			if err != nil {
				return err
			}
			in.progress = p.progress(entries)
			err = in.run(cmd.Context(), entries)
			return errors.Join(in.report(p, err), err)
		},
	}
	c.Flags().StringVarP(&o.collection, "collection", "c", "docs", "the collection; it is made when it is not there")
	c.Flags().StringVar(&label, "label", "", "how sensitive the documents are: public, internal, confidential or restricted")
	c.Flags().BoolVar(&o.all, "all", false, "try every file of a folder, whatever its ending")
	c.Flags().StringVar(&o.list, "list", "", "a file with a path or address on each line; - is standard input")
	c.Flags().StringVar(&o.language, "language", "", "the documents' language, such as de (default: told from their texts)")
	c.Flags().IntVar(&o.parallel, "parallel", max(2, runtime.GOMAXPROCS(0)), "how many requests are on their way at once")
	c.Flags().BoolVar(&o.prune, "prune", false, "delete documents below the named folders whose files are gone")
	c.Flags().StringVar(&o.reportFile, "report", "", "write what became of each document into this file, as JSON lines")
	return c
}
