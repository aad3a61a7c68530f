package cli

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"snowlink/cmd/snowlink/config"
	"snowlink/cmd/snowlink/service"
)

func serveCommand(given []string) *cobra.Command {
	return configured(given, &cobra.Command{
		Use: "serve", Short: "Run the service",
		Long: "Run the service: redirects, REST API and click pipeline in one process, on embedded stores unless told otherwise.",
	}, func(cmd *cobra.Command, cfg config.Config, _ []config.Value) error {
		var level slog.Level
		if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
			return fmt.Errorf("log level: %w", err)
		}
		return service.Run(cmd.Context(), cfg, service.Host{
			Stdout:  cmd.OutOrStdout(),
			Logger:  slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level})),
			Version: Version,
		})
	})
}

func configCommand(given []string) *cobra.Command {
	show := configured(given, &cobra.Command{Use: "print", Short: "Print the configuration as it is understood, without secrets"},
		func(cmd *cobra.Command, _ config.Config, values []config.Value) error {
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), values)
			}
			var rows [][]string
			for _, v := range values {
				rows = append(rows, []string{v.Name, v.Text, string(v.Origin)})
			}
			return table(cmd.OutOrStdout(), []string{"SETTING", "VALUE", "FROM"}, rows)
		})
	show.Flags().Bool("json", false, "answer in JSON, for programs")
	return group("config", "Look at the configuration", show)
}

// configured makes cmd take every setting and run with a configuration that has been checked.
// Unknown flags, looked for in the arguments given, are reported together with all other faults.
func configured(given []string, cmd *cobra.Command, run func(*cobra.Command, config.Config, []config.Value) error) *cobra.Command {
	config.AddFlags(cmd.Flags())
	cmd.FParseErrWhitelist.UnknownFlags = true
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, values, err := config.Load(cmd.Flags(), environ)
		faults := config.UnknownFlags(cmd.Flags(), given)
		if listed, ok := err.(config.Errors); ok { //nolint:errorlint // Load returns it bare
			faults = append(faults, listed...)
		} else if err != nil {
			return err
		}
		if len(args) > 0 && len(faults) == 0 {
			faults = append(faults, fmt.Errorf("unexpected argument %q: see `%s --help`", args[0], cmd.CommandPath()))
		}
		if len(faults) > 0 {
			return usageError{config.Errors(faults)}
		}
		return run(cmd, cfg, values)
	}
	return cmd
}
