package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) documentsCommand() *cobra.Command {
	var collection string
	c := &cobra.Command{Use: "documents", Short: "List, show and delete documents", Args: cobra.NoArgs}
	list := func(cmd *cobra.Command, _ []string) error { return p.listDocuments(cmd, collection) }
	c.RunE = list
	c.PersistentFlags().StringVarP(&collection, "collection", "c", "docs", "the collection")
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the documents of a collection", Args: cobra.NoArgs, RunE: list},
		&cobra.Command{
			Use: "show DOCUMENT", Short: "Show a document's text, by its uri or id", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.showDocument(cmd, collection, args[0]) },
		},
		&cobra.Command{
			Use: "delete DOCUMENT...", Short: "Delete documents, by their uri or id", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.deleteDocuments(cmd, collection, args) },
		},
	)
	return c
}

func (p *program) listDocuments(cmd *cobra.Command, collection string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	all := &fairleadv1.ListDocumentsResponse{}
	for token := ""; ; {
		resp, err := cl.retrieval.ListDocuments(cmd.Context(), &fairleadv1.ListDocumentsRequest{Collection: collection, PageSize: 1000, PageToken: token})
		if err != nil {
			return err
		}
		all.Documents = append(all.Documents, resp.GetDocuments()...)
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if p.json {
		return printJSON(p.out, all)
	}
	rows := make([][]string, 0, len(all.GetDocuments()))
	for _, d := range all.GetDocuments() {
		rows = append(rows, []string{d.GetUri(), clip(d.GetTitle(), 40), fmt.Sprint(d.GetPassages()), fmt.Sprint(d.GetSourceBytes()),
			labelName(d.GetLabel()), d.GetUpdatedAt().AsTime().Local().Format("2006-01-02 15:04")})
	}
	table(p.out, p.style(), []string{"DOCUMENT", "TITLE", "PASSAGES", "BYTES", "LABEL", "CHANGED"}, rows)
	return nil
}

func (p *program) showDocument(cmd *cobra.Command, collection, document string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.retrieval.GetDocument(cmd.Context(), &fairleadv1.GetDocumentRequest{Collection: collection, Document: document})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	fmt.Fprintln(p.out, visible(resp.GetDocument().GetText())) // as it is, it is in the JSON
	return nil
}

func (p *program) deleteDocuments(cmd *cobra.Command, collection string, documents []string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	for _, d := range documents {
		if _, err := cl.retrieval.DeleteDocument(cmd.Context(), &fairleadv1.DeleteDocumentRequest{Collection: collection, Document: d}); err != nil {
			return err
		}
		if p.json {
			if err := json.NewEncoder(p.out).Encode(map[string]string{"deleted": d}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.out, "%s: deleted\n", d)
	}
	return nil
}
