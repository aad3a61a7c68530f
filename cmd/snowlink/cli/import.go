package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const importBatch = 500

func linkImport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Make links from CSV (header with url, code, title, tags) or NDJSON; - for standard input", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := newClient(cmd)
			if err != nil {
				return err
			}
			links, err := readImport(cmd, args[0])
			if err != nil {
				return err
			}
			return c.importLinks(cmd.Context(), cmd, links)
		},
	}
	return cmd
}

// readImport reads the whole file before anything is made, so that a fault in it makes nothing.
func readImport(cmd *cobra.Command, path string) ([]map[string]any, error) {
	in := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		in = f
	}
	buffered := bufio.NewReader(in)
	if first, err := buffered.Peek(1); err == nil && first[0] == '{' {
		return readNDJSON(buffered)
	}
	return readCSV(buffered)
}

func readNDJSON(in io.Reader) ([]map[string]any, error) {
	var links []map[string]any
	dec := json.NewDecoder(in)
	for {
		var l map[string]any
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			return links, nil
		} else if err != nil {
			return nil, fmt.Errorf("import: entry %d: %w", len(links)+1, err)
		}
		links = append(links, importable(l))
	}
}

// importable keeps the members that a create takes: what an export writes holds more.
func importable(l map[string]any) map[string]any {
	taken := []string{"url", "code", "title", "tags", "note", "expires_at", "starts_at", "redirect_status", "forward_query", "fallback_url"}
	for name, value := range l {
		if !slices.Contains(taken, name) || value == nil {
			delete(l, name)
		}
	}
	return l
}

func readCSV(in io.Reader) ([]map[string]any, error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("import: read the header: %w", err)
	}
	if !slices.Contains(header, "url") {
		return nil, errors.New("import: the first line must name the columns, url among them")
	}
	var links []map[string]any
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return links, nil
		}
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		l := map[string]any{}
		for i, cell := range row {
			switch name := header[i]; {
			case cell == "":
			case name == "tags":
				l[name] = strings.Split(cell, ",")
			default:
				l[name] = cell
			}
		}
		links = append(links, l)
	}
}

type batchResult struct {
	Index   int      `json:"index"`
	Status  int      `json:"status"`
	Link    *link    `json:"link"`
	Problem *problem `json:"problem"`
}

func (c *client) importLinks(ctx context.Context, cmd *cobra.Command, links []map[string]any) error {
	bar := newProgress(cmd.ErrOrStderr(), "importing")
	defer bar.finish()
	failed := 0
	size := importBatch
	for start := 0; start < len(links); {
		chunk := links[start:min(start+size, len(links))]
		results, err := c.makeLinks(ctx, chunk)
		if p, ok := errors.AsType[*problem](err); ok && p.Status == http.StatusTooManyRequests && len(chunk) > 1 {
			size = len(chunk) / 2 // more than the limit of the key ever allows at once
			continue
		}
		if err != nil {
			return fmt.Errorf("after %d of %d entries: %w", start, len(links), err)
		}
		for _, r := range results {
			if r.Link != nil && wantsJSON(cmd) {
				if err := printJSON(cmd.OutOrStdout(), map[string]string{"short_url": r.Link.ShortURL, "url": r.Link.URL}); err != nil {
					return err
				}
				continue
			}
			if r.Link != nil {
				fmt.Fprintln(cmd.OutOrStdout(), r.Link.ShortURL)
				continue
			}
			failed++
			fmt.Fprintf(cmd.ErrOrStderr(), "entry %d: %v\n", start+r.Index+1, r.Problem)
		}
		start += len(chunk)
		bar.update(int64(start), int64(len(links)))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d entries were not imported", failed, len(links))
	}
	return nil
}

// makeLinks makes one batch of links. It waits whenever the service says that the key has to: a batch that
// was refused has made nothing.
func (c *client) makeLinks(ctx context.Context, links []map[string]any) ([]batchResult, error) {
	for {
		var answer struct {
			Results []batchResult `json:"results"`
		}
		err := c.call(ctx, http.MethodPost, "/api/v1/links/batch", nil, map[string]any{"links": links}, &answer)
		p, limited := errors.AsType[*problem](err)
		if !limited || p.Status != http.StatusTooManyRequests || p.retryAfter == 0 {
			return answer.Results, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(p.retryAfter):
		}
	}
}
