package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
)

func (p *program) configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Write, check and describe the configuration", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(p.configInitCommand(), p.configCheckCommand(), &cobra.Command{
		Use: "schema", Short: "Write the JSON Schema of the configuration file", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { _, err := p.out.Write(config.Schema()); return err },
	})
	return c
}

func (p *program) configInitCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "init [FILE]", Short: "Write a commented configuration to start from", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "fairlead.yaml"
			if len(args) == 1 {
				file = args[0]
			}
			flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
			if force {
				flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			}
			f, err := os.OpenFile(file, flags, 0o600) // it may come to hold secrets
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("writing %s: it is there already; say --force to replace it", file)
			}
			if err != nil {
				return fmt.Errorf("writing %s: %w", file, err)
			}
			if _, err := f.WriteString(config.Example()); err != nil {
				f.Close()
				return fmt.Errorf("writing %s: %w", file, err)
			}
			if err := f.Close(); err != nil {
				return fmt.Errorf("writing %s: %w", file, err)
			}
			if p.json {
				return json.NewEncoder(p.out).Encode(map[string]string{"written": file})
			}
			fmt.Fprintf(p.out, "%s written: change it, then `fairlead config check %s` and `fairlead serve --config %s`\n", file, file, file)
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return c
}

func (p *program) configCheckCommand() *cobra.Command {
	var show bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration, its chains and its prompts, and change nothing",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 1 {
				p.config = args[0]
			}
			c, report, _, err := p.load()
			if err != nil {
				return err
			}
			// The whole of it: adapters are made, conditions compiled, chains checked against prompts,
			// policies and targets. The store is one of its own, in memory.
			fleet, err := muster(cmd.Context(), nil, c, p.getenv)
			if err != nil {
				return report.Place(err)
			}
			defer func() { err = errors.Join(err, fleet.close()) }()
			if err := fleet.check(); err != nil {
				return err
			}
			for _, w := range report.Warnings {
				fmt.Fprintln(p.err, "warning: "+w.String())
			}
			if show {
				fmt.Fprint(p.out, c.Dump(report))
				return nil
			}
			where := p.config
			if where == "" {
				where = "the built-in default"
			}
			fmt.Fprintf(p.out, "%s is good: %d backends, %d targets, %d policies, %d chains\n", where,
				len(c.Backends), len(fleet.config.Targets), len(fleet.config.Policies), len(fleet.config.Chains))
			return nil
		},
	}
	c.Flags().BoolVar(&show, "show", false, "write the whole configuration as it counts, with where each value comes from; secrets are masked")
	return c
}
