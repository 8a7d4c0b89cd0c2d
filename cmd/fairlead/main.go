// Command fairlead runs prompt chains over a company's own data and sends each step to the right model.
// It owns the wiring and the command line, a file for each command, and nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"fairlead/internal/fault"
	"fairlead/internal/telemetry"
)

// version is set when a release is linked.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once: whoever presses it twice means it.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// program is the command line with all that it touches, so that tests run it as a whole.
type program struct {
	in       io.Reader
	out, err io.Writer
	environ  []string

	// The flags of every command.
	server   string
	key      string
	tenant   string
	data     string
	config   string
	settings []string
	json     bool
	logLevel string
}

// run runs one command line and gives its exit status: 0 when it did its work, 1 when it failed, 2 when
// it was not understood, 130 when it was interrupted.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, environ []string) int {
	p := &program{in: in, out: out, err: errOut, environ: environ}
	root := p.root()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || fault.CodeOf(err) == fault.Canceled || connect.CodeOf(err) == connect.CodeCanceled):
		return 130
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "fairlead: %v\nRun '%s --help' for how it is used.\n", err, command.CommandPath())
		return 2
	default:
		fmt.Fprintf(errOut, "fairlead: %v\n", p.explain(err))
		return 1
	}
}

// usageError is a command line that was not understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Run prompt chains over your own data, each step on the right model",
		Long: `Fairlead runs prompt chains over a company's own data and sends each step to the right model, by cost,
latency, quality and sensitivity, under one budget and one deadline for each run.

Try 'fairlead demo': it needs no key, no GPU and no network.`,
		Args:          knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       telemetry.ReadBuild(version).Version,
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&p.server, "server", p.getenv("FAIRLEAD_SERVER"), "address of a running server, such as http://127.0.0.1:8080; without one the command runs on its own")
	f.StringVar(&p.key, "key", "", "what the server of --server is shown, a key or a token (default: FAIRLEAD_KEY, which the list of processes does not show)")
	f.StringVar(&p.tenant, "tenant", "", "whom a command that runs on its own acts as (default: default); keys: whose keys they are")
	f.StringVar(&p.data, "data", "", "folder of the store, when the command runs on its own (default: what the configuration says)")
	f.StringVar(&p.config, "config", p.getenv("FAIRLEAD_CONFIG"), "configuration file; without one the built-in default holds")
	f.StringArrayVar(&p.settings, "set", nil, "one setting, such as server.listen=127.0.0.1:9000; may be given several times")
	f.BoolVar(&p.json, "json", false, "write JSON, for scripts")
	f.StringVar(&p.logLevel, "log-level", "", "least level of what is logged: debug, info, warn or error")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Start here:"},
		&cobra.Group{ID: "ask", Title: "Ask and search:"},
		&cobra.Group{ID: "keep", Title: "Documents:"},
		&cobra.Group{ID: "run", Title: "Run and look inside:"},
		&cobra.Group{ID: "admin", Title: "Look after it:"},
	)
	for group, commands := range map[string][]*cobra.Command{
		"start": {p.demoCommand(), p.serveCommand()},
		"ask":   {p.askCommand(), p.chatCommand(), p.searchCommand(), p.classifyCommand(), p.embedCommand(), p.feedbackCommand()},
		"keep":  {p.ingestCommand(), p.collectionsCommand(), p.documentsCommand()},
		"run":   {p.targetsCommand(), p.modelsCommand(), p.routeCommand(), p.policyCommand(), p.chainsCommand(), p.configCommand(), p.evalCommand(), p.routerCommand(), p.benchCommand(), p.faultproxyCommand()},
		"admin": {p.dbCommand(), p.keysCommand(), p.tenantsCommand(), p.usageCommand()},
	} {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	root.AddCommand(p.versionCommand())
	// Cobra's own commands, made here so that a mistake in their arguments is one like any other.
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				below, rest, err := root.Find(args)
				if err != nil || len(rest) == 0 {
					return err
				}
				return knownCommand(below, rest)
			}
		case "completion":
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	checkArgs(root)
	return root
}

// knownCommand refuses what is not a command, and says which one may have been meant.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", c.CommandPath()+" "+args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text)
}

// checkArgs makes a wrong number of arguments a usage error, for a command and those below it.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	for _, below := range c.Commands() {
		checkArgs(below)
	}
}

// getenv reads the program's own environment, which tests set.
func (p *program) getenv(name string) string {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(p.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}
