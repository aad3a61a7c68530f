package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// link is a link as the API shows it.
type link struct {
	Code      string     `json:"code"`
	Domain    string     `json:"domain"`
	ShortURL  string     `json:"short_url"`
	URL       string     `json:"url"`
	Title     string     `json:"title"`
	Tags      []string   `json:"tags"`
	Status    string     `json:"status"`
	ExpiresAt *time.Time `json:"expires_at"`
	Version   int64      `json:"version"`
	CreatedAt time.Time  `json:"created_at"`
	Clicks    *totals    `json:"clicks"`
}

type totals struct {
	Total  int64 `json:"total"`
	Humans int64 `json:"humans"`
	Bots   int64 `json:"bots"`
}

func linkCommand() *cobra.Command {
	cmd := group("link", "Make, find and change links",
		linkCreate(), linkGet(), linkList(), linkEdit(), linkDelete(), linkRestore(), linkHistory(), linkStats(),
		linkImport(), linkExport())
	addClientFlags(cmd)
	return cmd
}

// addContentFlags adds the flags of what may be said of a link, but for its URL.
func addContentFlags(flags *pflag.FlagSet) {
	flags.String("title", "", "title for lists")
	flags.String("note", "", "note for those who manage the link")
	flags.StringSlice("tag", nil, "tag; may be given several times")
	flags.String("expires", "", "end: 2027-01-31T12:00:00Z, or a time from now: 72h, 30d")
	flags.String("starts", "", "beginning, in the forms of --expires")
	flags.Int("status", 0, "redirect status: 301, 302 (default), 307 or 308")
	flags.String("fallback", "", "where to send visitors once the link has ended")
	flags.Bool("forward-query", false, "add the visitor's query to the target's")
}

// readContent returns the JSON members of the flags that were given.
func readContent(flags *pflag.FlagSet) (map[string]any, error) {
	body := map[string]any{}
	var faults []error
	names := map[string]string{
		"title": "title", "note": "note", "fallback": "fallback_url", "expires": "expires_at", "starts": "starts_at",
		"status": "redirect_status", "tag": "tags", "forward-query": "forward_query",
	}
	flags.Visit(func(f *pflag.Flag) {
		member, ok := names[f.Name]
		if !ok {
			return
		}
		value, err := contentValue(flags, f)
		if err != nil {
			faults = append(faults, usageError{fmt.Errorf("--%s: %w", f.Name, err)})
			return
		}
		body[member] = value
	})
	return body, errors.Join(faults...)
}

func contentValue(flags *pflag.FlagSet, f *pflag.Flag) (any, error) {
	switch f.Name {
	case "tag":
		return flags.GetStringSlice(f.Name)
	case "status":
		return flags.GetInt(f.Name)
	case "forward-query":
		return flags.GetBool(f.Name)
	case "expires", "starts":
		return readTime(f.Value.String(), time.Now())
	}
	if text := f.Value.String(); text != "" || f.Name != "fallback" {
		return text, nil
	}
	return nil, nil
}

// readTime reads an instant, a duration from now ("72h", "30d"), or "none" as nil.
func readTime(text string, now time.Time) (any, error) {
	if text == "" || text == "none" {
		return nil, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			return now.AddDate(0, 0, n).UTC().Format(time.RFC3339), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(d).UTC().Format(time.RFC3339), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time: use 2027-01-31T12:00:00Z, 72h, 30d or none", text)
	}
	return t.Format(time.RFC3339), nil
}

func linkPath(code string, rest ...string) string {
	return "/api/v1/links/" + url.PathEscape(code) + strings.Join(rest, "")
}

func domainQuery(cmd *cobra.Command) url.Values {
	q := url.Values{}
	if d, _ := cmd.Flags().GetString("domain"); d != "" {
		q.Set("domain", d)
	}
	return q
}

func linkCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create URL", Short: "Make a link and print its short URL", Args: cobra.ExactArgs(1),
		Example: "  snowlink link create https://example.com/a?b=c\n  snowlink link create --code spring --expires 30d https://example.com/sale",
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := readContent(cmd.Flags())
			if err != nil {
				return err
			}
			body["url"] = args[0]
			for _, name := range []string{"code", "domain"} {
				if v, _ := cmd.Flags().GetString(name); v != "" {
					body[name] = v
				}
			}
			return showLink(cmd, http.MethodPost, "/api/v1/links", nil, body)
		},
	}
	cmd.Flags().String("code", "", "the code to use instead of a generated one")
	cmd.Flags().String("domain", "", "domain of the link; the service's own if not given")
	addContentFlags(cmd.Flags())
	return cmd
}

// showLink makes the call and prints the link it answers: the short URL alone, so that it pipes, or
// everything in JSON.
func showLink(cmd *cobra.Command, method, path string, query url.Values, body any) error {
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	if wantsJSON(cmd) {
		var full any
		if err := c.call(cmd.Context(), method, path, query, body, &full); err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), full)
	}
	var l link
	if err := c.call(cmd.Context(), method, path, query, body, &l); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), l.ShortURL)
	return err
}

func linkGet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get CODE", Short: "Show a link", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return showLink(cmd, http.MethodGet, linkPath(args[0]), domainQuery(cmd), nil)
			}
			var l link
			if err := c.call(cmd.Context(), http.MethodGet, linkPath(args[0]), domainQuery(cmd), nil, &l); err != nil {
				return err
			}
			return table(cmd.OutOrStdout(), []string{"SHORT URL", l.ShortURL}, [][]string{
				{"target", l.URL},
				{"title", l.Title},
				{"tags", strings.Join(l.Tags, ", ")},
				{"status", l.Status},
				{"version", strconv.FormatInt(l.Version, 10)},
				{"created", l.CreatedAt.Local().Format(time.DateTime)},
				{"clicks", clicksText(l.Clicks)},
			})
		},
	}
	cmd.Flags().String("domain", "", "domain of the link")
	return cmd
}

func clicksText(t *totals) string {
	if t == nil {
		return "unknown"
	}
	return fmt.Sprintf("%d (%d humans, %d bots)", t.Total, t.Humans, t.Bots)
}

func linkEdit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "edit CODE", Short: "Change a link; only what is given changes", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := readContent(cmd.Flags())
			if err != nil {
				return err
			}
			if u, _ := cmd.Flags().GetString("url"); u != "" {
				body["url"] = u
			}
			for name, status := range map[string]string{"disable": "disabled", "enable": "active"} {
				if on, _ := cmd.Flags().GetBool(name); on {
					body["status"] = status
				}
			}
			if len(body) == 0 {
				return usageError{errors.New("say what to change: --url, --title, --tag, --expires, --disable, …")}
			}
			return showLink(cmd, http.MethodPatch, linkPath(args[0]), domainQuery(cmd), body)
		},
	}
	cmd.Flags().String("url", "", "new target")
	cmd.Flags().String("domain", "", "domain of the link")
	cmd.Flags().Bool("disable", false, "stop redirecting")
	cmd.Flags().Bool("enable", false, "redirect again")
	cmd.MarkFlagsMutuallyExclusive("disable", "enable")
	addContentFlags(cmd.Flags())
	return cmd
}

func linkDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CODE", Short: "Delete a link; `link restore` brings it back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			if err := c.call(cmd.Context(), http.MethodDelete, linkPath(args[0]), domainQuery(cmd), nil, nil); err != nil {
				return err
			}
			return done(cmd, map[string]string{"deleted": args[0]})
		},
	}
	cmd.Flags().String("domain", "", "domain of the link")
	return cmd
}

func linkRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore CODE", Short: "Bring a deleted link back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showLink(cmd, http.MethodPost, linkPath(args[0], "/restore"), domainQuery(cmd), nil)
		},
	}
	cmd.Flags().String("domain", "", "domain of the link")
	return cmd
}
