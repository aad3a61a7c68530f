package cli

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// locks is what the service answers.
type locks struct {
	Locks []struct {
		Name    string    `json:"name"`
		Holder  string    `json:"holder"`
		Since   time.Time `json:"since"`
		Fence   int64     `json:"fence"`
		Seconds float64   `json:"seconds_left"`
	} `json:"locks"`
}

func locksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "locks", Short: "Show which process holds what: node numbers, and work that one does at a time", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			var all locks
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/locks", nil, nil, &all); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), all)
			}
			var rows [][]string
			for _, l := range all.Locks {
				rows = append(rows, []string{
					l.Name, l.Holder, l.Since.Local().Format(time.DateTime), strconv.FormatInt(l.Fence, 10),
					time.Duration(l.Seconds * float64(time.Second)).Round(100 * time.Millisecond).String(),
				})
			}
			return table(cmd.OutOrStdout(), []string{"NAME", "PROCESS", "SINCE", "FENCE", "LEFT"}, rows)
		},
	}
	addClientFlags(cmd)
	return cmd
}
