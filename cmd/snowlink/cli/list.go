package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// page is one answer of the list of links.
type page struct {
	Links      []json.RawMessage `json:"links"`
	NextCursor *string           `json:"next_cursor"`
}

// eachLink calls fn for the links that query selects, page by page, until most have been seen.
func (c *client) eachLink(ctx context.Context, query url.Values, most int, fn func(raw json.RawMessage) error) error {
	for seen := 0; seen < most; {
		query.Set("limit", strconv.Itoa(min(most-seen, 500)))
		var p page
		if err := c.call(ctx, http.MethodGet, "/api/v1/links", query, nil, &p); err != nil {
			return err
		}
		for _, raw := range p.Links {
			if err := fn(raw); err != nil {
				return err
			}
		}
		if seen += len(p.Links); p.NextCursor == nil {
			return nil
		}
		query.Set("cursor", *p.NextCursor)
	}
	return nil
}

func linkList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List links, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			query := url.Values{}
			for _, name := range []string{"q", "tag", "status", "domain"} {
				if v, _ := cmd.Flags().GetString(name); v != "" {
					query.Set(name, v)
				}
			}
			most, _ := cmd.Flags().GetInt("limit")
			if most < 1 {
				return usageError{fmt.Errorf("--limit %d: use a number from 1", most)}
			}
			return printLinks(cmd, c, query, most)
		},
	}
	cmd.Flags().String("q", "", "words to look for in code, target, title, note and tags")
	cmd.Flags().String("tag", "", "only links with the tag")
	cmd.Flags().String("status", "", "active, scheduled, expired, disabled or deleted")
	cmd.Flags().String("domain", "", "only links of the domain")
	cmd.Flags().Int("limit", 50, "how many at most")
	return cmd
}

func printLinks(cmd *cobra.Command, c *client, query url.Values, most int) error {
	raws := []json.RawMessage{}
	var rows [][]string
	err := c.eachLink(cmd.Context(), query, most, func(raw json.RawMessage) error {
		var l link
		if err := json.Unmarshal(raw, &l); err != nil {
			return fmt.Errorf("read a link: %w", err)
		}
		raws = append(raws, raw)
		clicks := "?"
		if l.Clicks != nil {
			clicks = strconv.FormatInt(l.Clicks.Total, 10)
		}
		rows = append(rows, []string{l.ShortURL, l.Status, clicks, l.CreatedAt.Local().Format(time.DateTime), shorten(l.URL, 80)})
		return nil
	})
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), map[string]any{"links": raws})
	}
	return table(cmd.OutOrStdout(), []string{"SHORT URL", "STATUS", "CLICKS", "CREATED", "TARGET"}, rows)
}

func linkExport() *cobra.Command {
	return &cobra.Command{
		Use: "export", Short: "Write all links as NDJSON, one a line", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			err = c.eachLink(cmd.Context(), url.Values{}, 1<<62, func(raw json.RawMessage) error {
				_, err := fmt.Fprintf(out, "%s\n", raw)
				return err
			})
			if err != nil {
				return err
			}
			return out.Flush()
		},
	}
}

func linkHistory() *cobra.Command {
	cmd := &cobra.Command{
		Use: "history CODE", Short: "Show every change of a link", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.call(cmd.Context(), http.MethodGet, linkPath(args[0], "/history"), domainQuery(cmd), nil, &raw); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			return printHistory(cmd.OutOrStdout(), raw)
		},
	}
	cmd.Flags().String("domain", "", "domain of the link")
	return cmd
}

func printHistory(w io.Writer, raw []byte) error {
	var history struct {
		Events []struct {
			Version int64     `json:"version"`
			Type    string    `json:"type"`
			At      time.Time `json:"at"`
			Actor   string    `json:"actor"`
			After   *struct {
				URL string `json:"url"`
			} `json:"after"`
		} `json:"events"`
	}
	if err := json.Unmarshal(raw, &history); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	var rows [][]string
	for _, e := range history.Events {
		target := ""
		if e.After != nil {
			target = shorten(e.After.URL, 80)
		}
		rows = append(rows, []string{strconv.FormatInt(e.Version, 10), e.At.Local().Format(time.DateTime), e.Type, e.Actor, target})
	}
	return table(w, []string{"VERSION", "AT", "EVENT", "BY", "TARGET AFTER"}, rows)
}

func linkStats() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stats [CODE]", Short: "Show the clicks of a link, or of all", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			query := domainQuery(cmd)
			if len(args) == 1 {
				query.Set("code", args[0])
			}
			if r, _ := cmd.Flags().GetString("range"); r != "" {
				query.Set("range", r)
			}
			var raw json.RawMessage
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/analytics/summary", query, nil, &raw); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			var s struct{ Clicks, Humans, Bots, Visitors, Pending int64 }
			if err := json.Unmarshal(raw, &s); err != nil {
				return fmt.Errorf("read the summary: %w", err)
			}
			text := func(n int64) string { return strconv.FormatInt(n, 10) }
			return table(cmd.OutOrStdout(), []string{"CLICKS", "HUMANS", "BOTS", "VISITORS", "PENDING"},
				[][]string{{text(s.Clicks), text(s.Humans), text(s.Bots), text(s.Visitors), text(s.Pending)}})
		},
	}
	cmd.Flags().String("range", "", "today, yesterday, 24h, 7d, 28d, 90d, mtd, 12mo, ytd or all (default)")
	cmd.Flags().String("domain", "", "only links of the domain")
	return cmd
}
