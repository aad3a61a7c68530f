package cli

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"snowlink/cmd/snowlink/service"
	"snowlink/storage/eventstore"
)

func copyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "copy --from STORE --to STORE", Short: "Copy the log, with all it holds, to another event store", Args: cobra.NoArgs,
		Long: "Copy the log of all changes, the links, keys and secrets to an empty event store, and prove that both are equal.\n\n" +
			"A store is sqlite:FOLDER, the data folder of a service, or postgres://…. No service may run on either. A copy that was " +
			"interrupted goes on when it is run again.",
		Example: "  snowlink events copy --from sqlite:./data --to postgres://snowlink@db.example/snowlink",
		RunE: func(cmd *cobra.Command, _ []string) error {
			bar := newProgress(cmd.ErrOrStderr(), "copy")
			report, err := service.CopyEvents(cmd.Context(), from, to, slog.Default(), bar.update)
			bar.finish()
			switch {
			case errors.Is(err, eventstore.ErrOccupied):
				return fmt.Errorf("--to: %w", err)
			case err != nil:
				return err
			case wantsJSON(cmd):
				return printJSON(cmd.OutOrStdout(), report)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d events and %d links are equal in both\n", report.Events, report.Links)
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the event store to copy")
	cmd.Flags().StringVar(&to, "to", "", "the empty event store to copy it to")
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}
