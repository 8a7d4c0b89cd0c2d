package main

import (
	"fmt"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) collectionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "collections", Short: "List, make, reindex and delete collections", Args: cobra.NoArgs, RunE: p.listCollections}
	c.AddCommand(
		&cobra.Command{Use: "list", Short: "List the collections", Args: cobra.NoArgs, RunE: p.listCollections},
		p.createCollectionCommand(),
		p.reindexCollectionCommand(),
		p.deleteCollectionCommand(),
	)
	return c
}

func (p *program) listCollections(cmd *cobra.Command, _ []string) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.retrieval.ListCollections(cmd.Context(), &fairleadv1.ListCollectionsRequest{})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	rows := make([][]string, 0, len(resp.GetCollections()))
	for _, c := range resp.GetCollections() {
		rows = append(rows, []string{c.GetName(), fmt.Sprint(c.GetDocuments()), fmt.Sprint(c.GetPassages()), labelName(c.GetLabel()),
			c.GetEmbedder(), fmt.Sprintf("%.2f", c.GetLexicalWeight())})
	}
	table(p.out, p.style(), []string{"COLLECTION", "DOCUMENTS", "PASSAGES", "LABEL", "EMBEDDER", "WORDS COUNT"}, rows)
	for _, c := range resp.GetCollections() {
		for _, note := range reindexNotes(c) {
			fmt.Fprintln(p.out, note)
		}
	}
	return nil
}

func (p *program) createCollectionCommand() *cobra.Command {
	var label, embedder, description string
	var weight float64
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a collection",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			col := &fairleadv1.Collection{Name: args[0], Description: description, Embedder: embedder}
			var err error
			if col.Label, err = parseLabel(label); err != nil {
				return err
			}
			if cmd.Flags().Changed("lexical-weight") {
				col.LexicalWeight = &weight
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.retrieval.CreateCollection(cmd.Context(), &fairleadv1.CreateCollectionRequest{Collection: col})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			made := resp.GetCollection()
			fmt.Fprintf(p.out, "%s: label %s, embedded by %s in %d dimensions, words count %.2f\n", made.GetName(), labelName(made.GetLabel()),
				made.GetEmbedder(), made.GetDimensions(), made.GetLexicalWeight())
			return nil
		},
	}
	c.Flags().StringVar(&label, "label", "", "the lowest label of its documents")
	c.Flags().StringVar(&embedder, "embedder", "", "the target that embeds its passages (default: the server's)")
	c.Flags().StringVar(&description, "description", "", "what it is for")
	c.Flags().Float64Var(&weight, "lexical-weight", 0, "how much words count against vectors, from 0 to 1 (default: the server's)")
	return c
}

func (p *program) deleteCollectionCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a collection and all that it holds",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return &usageError{fmt.Errorf("deleting %s cannot be undone: say --yes", args[0])}
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.retrieval.DeleteCollection(cmd.Context(), &fairleadv1.DeleteCollectionRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			fmt.Fprintf(p.out, "%s: deleted, with %d documents\n", args[0], resp.GetDocuments())
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "really delete")
	return c
}
