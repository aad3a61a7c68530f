// Package cli is the command line: the verbs that talk to a running service, and the ones that start
// it. Exit codes: 0 done, 1 failed, 2 wrong use.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// usageError marks an error as wrong use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Version is what `snowlink version` says; set by the linker for releases.
var Version = "dev"

// Run runs the command line and returns its exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(args)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "snowlink: %v\n", err)
	if _, usage := errors.AsType[usageError](err); usage || isCobraUsage(err) {
		return 2
	}
	return 1
}

func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "snowlink",
		Short:         "A URL shortener for production: shorten, redirect, count",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w: see `%s --help`", err, cmd.CommandPath())}
	})
	root.AddCommand(serveCommand(args), linkCommand(), keyCommand(), eventsCommand(), clicksCommand(), shardsCommand(), locksCommand(), configCommand(args), versionCommand())
	return root
}

// isCobraUsage recognises the errors that cobra makes of a wrong verb or number of arguments; it has
// no type for them.
func isCobraUsage(err error) bool {
	for _, start := range []string{"unknown command", "accepts ", "requires ", "required flag", "if any flags in the group"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), map[string]string{"version": Version})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "snowlink", Version)
			return err
		},
	}
	cmd.Flags().Bool("json", false, "answer in JSON, for programs")
	return cmd
}

// group is a command that only holds others.
func group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("unknown command %q: see `%s --help`", args[0], cmd.CommandPath())}
		}
		return cmd.Help()
	}}
	cmd.AddCommand(subcommands...)
	return cmd
}

func environ(name string) (string, bool) { return os.LookupEnv(name) }
