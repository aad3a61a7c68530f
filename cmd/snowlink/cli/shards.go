package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	shardsPath = "/api/v1/shards"
	settled    = "settled"
)

func shardsCommand() *cobra.Command {
	cmd := group("shards", "Look at the link shards, add and remove them",
		shardsStatus(), shardsAdd(), shardsRemove(), shardsRebalance(), shardsExplain())
	addClientFlags(cmd)
	return cmd
}

func shardsStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show every shard: slots, links, memory, breaker, and the move under way", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			var s shards
			if err := c.call(cmd.Context(), http.MethodGet, shardsPath, nil, nil, &s); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printShards(cmd.OutOrStdout(), s)
		},
	}
}

func shardsAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add NAME=URL", Short: "Add a shard, and watch the links move to it", Args: cobra.ExactArgs(1),
		Long: "Add a shard, and watch the links move to it.\n\n" +
			"URL is redis://[user:password@]host:port, rediss://, unix:// or redis+sentinel://h1,h2,h3/master. The Redis must be empty,\n" +
			"or have belonged to this installation. Redirects and creates go on meanwhile. The service moves the links: to end this\n" +
			"command does not end the move, and to repeat it shows the move again.",
		Example: "  snowlink shards add d=redis://10.0.0.4:6379",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, address, ok := strings.Cut(args[0], "=")
			if !ok || name == "" || address == "" {
				return usageError{fmt.Errorf("%q is not of the form NAME=URL, such as d=redis://10.0.0.4:6379", args[0])}
			}
			weight, _ := cmd.Flags().GetInt("weight")
			if weight < 1 {
				return usageError{errors.New("--weight must be 1 or more")}
			}
			return changeShards(cmd, http.MethodPost, shardsPath, map[string]any{"name": name, "url": address, "weight": weight})
		},
	}
	cmd.Flags().Int("weight", 1, "its share of the links relative to the other shards'")
	addWatchFlag(cmd)
	return cmd
}

func shardsRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Move the links off a shard, and take it out; it may be down", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeShards(cmd, http.MethodDelete, shardsPath+"/"+url.PathEscape(args[0]), nil)
		},
	}
	addWatchFlag(cmd)
	return cmd
}

func shardsRebalance() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebalance [NAME=WEIGHT…]", Short: "Give shards new weights, and move links accordingly",
		Example: "  snowlink shards rebalance a=2 b=1",
		RunE: func(cmd *cobra.Command, args []string) error {
			weights := map[string]int{}
			for _, arg := range args {
				name, text, _ := strings.Cut(arg, "=")
				weight, err := strconv.Atoi(text)
				if err != nil || name == "" || weight < 1 {
					return usageError{fmt.Errorf("%q is not of the form NAME=WEIGHT with a weight of 1 or more", arg)}
				}
				weights[name] = weight
			}
			return changeShards(cmd, http.MethodPost, shardsPath+"/rebalance", map[string]any{"weights": weights})
		},
	}
	addWatchFlag(cmd)
	return cmd
}

func addWatchFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("no-wait", false, "return when the change is kept, and do not watch the links move")
}

// changeShards asks for a change of the membership, and watches what comes of it.
func changeShards(cmd *cobra.Command, method, path string, body any) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	var s shards
	if err := c.call(cmd.Context(), method, path, nil, body, &s); err != nil {
		return err
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", printable(warning))
	}
	begun, warnings := time.Now(), s.Warnings
	if noWait, _ := cmd.Flags().GetBool("no-wait"); !noWait {
		if s, err = watchMove(cmd.Context(), c, cmd.ErrOrStderr(), s); err != nil {
			return fmt.Errorf("%w; the move goes on in the service: `snowlink shards status` shows it", err)
		}
	}
	if wantsJSON(cmd) {
		s.Warnings = warnings
		return printJSON(cmd.OutOrStdout(), s)
	}
	if s.Phase == settled {
		fmt.Fprintf(cmd.ErrOrStderr(), "done in %v\n", time.Since(begun).Round(100*time.Millisecond))
	}
	return printShards(cmd.OutOrStdout(), s)
}

// watchMove shows the move until it is through. A service that does not answer for a while, because it
// is started again, is asked again: the move goes on when it is back.
func watchMove(ctx context.Context, c *client, w io.Writer, s shards) (shards, error) {
	const between, patience = 300 * time.Millisecond, 2 * time.Minute
	bar := newProgress(w, s.Phase)
	defer bar.finish()
	heard := time.Now()
	for s.Phase != settled {
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(between):
		}
		var next shards
		if err := c.call(ctx, http.MethodGet, shardsPath, nil, nil, &next); err == nil {
			s, heard = next, time.Now()
		} else if time.Since(heard) > patience {
			return s, err
		}
		bar.label = s.Phase
		if s.Move != nil {
			bar.update(s.Move.Looked, s.Move.Links)
		}
	}
	return s, nil
}

func shardsExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain CODE", Short: "Show which shard keeps a link, and what each has of it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			query := url.Values{}
			if domain, _ := cmd.Flags().GetString("domain"); domain != "" {
				query.Set("domain", domain)
			}
			var e shardExplanation
			if err := c.call(cmd.Context(), http.MethodGet, shardsPath+"/explain/"+url.PathEscape(args[0]), query, nil, &e); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), e)
			}
			return printExplanation(cmd.OutOrStdout(), e)
		},
	}
	cmd.Flags().String("domain", "", "host of the link; the default domain if left out")
	return cmd
}
