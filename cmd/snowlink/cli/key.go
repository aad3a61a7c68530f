package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"snowlink/cmd/snowlink/config"
)

type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	Hint      string     `json:"hint"`
	Key       string     `json:"key"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

func keyCommand() *cobra.Command {
	cmd := group("key", "Make, list and revoke API keys", keyCreate(), keyList(), keyRevoke())
	addClientFlags(cmd)
	return cmd
}

func keyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a key and print it, once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			role, _ := cmd.Flags().GetString("role")
			body := map[string]any{"name": args[0], "role": role}
			if expires, _ := cmd.Flags().GetString("expires"); expires != "" {
				at, err := readTime(expires, time.Now())
				if err != nil {
					return usageError{fmt.Errorf("--expires: %w", err)}
				}
				body["expires_at"] = at
			}
			if text, _ := cmd.Flags().GetString("rate"); text != "" {
				rate, err := config.ParseRate(text)
				if err != nil || rate.Unlimited() {
					return usageError{fmt.Errorf("--rate: %q is not a rate: use 100/s, or 10/m:50 with a burst", text)}
				}
				body["limit"] = map[string]any{"rate": rate.PerSecond, "burst": rate.Burst}
			}
			var k apiKey
			if err := c.call(cmd.Context(), http.MethodPost, "/api/v1/keys", nil, body, &k); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), k)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), k.Key)
			return err
		},
	}
	cmd.Flags().String("role", "editor", "reader, editor or owner")
	cmd.Flags().String("rate", "", "calls that this key may make, such as 100/s or 10/m:50 with a burst; as every key if not given")
	cmd.Flags().String("expires", "", "end: 2027-01-31T12:00:00Z, or a time from now: 72h, 30d")
	return cmd
}

func keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List keys; the secrets are not kept", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Keys []apiKey `json:"keys"`
			}
			if err := c.call(cmd.Context(), http.MethodGet, "/api/v1/keys", nil, nil, &answer); err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			var rows [][]string
			for _, k := range answer.Keys {
				state := "in force"
				if k.RevokedAt != nil {
					state = "revoked"
				} else if k.ExpiresAt != nil && !time.Now().Before(*k.ExpiresAt) {
					state = "expired"
				}
				rows = append(rows, []string{k.ID, k.Name, k.Role, "…" + k.Hint, state, k.CreatedAt.Local().Format(time.DateTime)})
			}
			return table(cmd.OutOrStdout(), []string{"ID", "NAME", "ROLE", "KEY", "STATE", "CREATED"}, rows)
		},
	}
}

func keyRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a key", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			if err := c.call(cmd.Context(), http.MethodDelete, "/api/v1/keys/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
				return err
			}
			return done(cmd, map[string]string{"revoked": args[0]})
		},
	}
}
