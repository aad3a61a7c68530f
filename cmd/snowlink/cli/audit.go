package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"snowlink/cmd/snowlink/service"
)

func eventsCommand() *cobra.Command {
	cmd := group("events", "Check and replay the log of all changes",
		audit("verify", "Check that the log is gapless and that the links are what it says",
			"/api/v1/admin/events/verify", (*service.Offline).VerifyEvents),
		audit("replay", "Rebuild the links from the log",
			"/api/v1/admin/events/replay", (*service.Offline).ReplayEvents))
	addClientFlags(cmd)
	cmd.AddCommand(copyCommand())
	return cmd
}

func clicksCommand() *cobra.Command {
	cmd := group("clicks", "Check the clicks",
		audit("verify", "Check that every click is stored once and that totals equal their parts",
			"/api/v1/admin/clicks/verify", (*service.Offline).VerifyClicks))
	addClientFlags(cmd)
	return cmd
}

type offlineAudit func(o *service.Offline, ctx context.Context, progress func(done, total int64)) (service.Report, error)

// audit is a verb that asks the running service, or works on the data folder of a stopped one.
func audit(use, short, path string, offline offlineAudit) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		Long: short + ".\n\nThe running service does it. With --data-dir it is done on the folder of a stopped service.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runAudit(cmd, path, offline)
			if err != nil {
				return err
			}
			return printReport(cmd, report)
		},
	}
	cmd.Flags().String("data-dir", "", "work on the data folder of a stopped service")
	return cmd
}

func runAudit(cmd *cobra.Command, path string, offline offlineAudit) (service.Report, error) {
	var report service.Report
	dir, _ := cmd.Flags().GetString("data-dir")
	if dir == "" {
		c, err := newClient(cmd)
		if err != nil {
			return report, err
		}
		return report, c.call(cmd.Context(), http.MethodPost, path, nil, nil, &report)
	}
	o, err := service.OpenOffline(dir)
	if errors.Is(err, service.ErrInUse) {
		return report, fmt.Errorf("%w; or leave --data-dir out to ask the running service", err)
	}
	if err != nil {
		return report, err
	}
	bar := newProgress(cmd.ErrOrStderr(), cmd.Name())
	report, err = offline(o, cmd.Context(), bar.update)
	bar.finish()
	return report, errors.Join(err, o.Close())
}

// printReport prints what was found; a fault found is a failure of the verb.
func printReport(cmd *cobra.Command, r service.Report) error {
	if wantsJSON(cmd) {
		if err := printJSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "%d checked, %d fault(s)\n", r.Checked, len(r.Faults))
		for _, f := range r.Faults {
			fmt.Fprintln(cmd.OutOrStdout(), "  "+printable(f))
		}
	}
	if !r.OK {
		return errors.New("what is stored does not hold together: restore a backup, or see docs/operations.md")
	}
	return nil
}
