package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func wantsJSON(cmd *cobra.Command) bool {
	on, _ := cmd.Flags().GetBool("json")
	return on
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// done says in JSON what was done; people are told by silence.
func done(cmd *cobra.Command, what map[string]string) error {
	if !wantsJSON(cmd) {
		return nil
	}
	return printJSON(cmd.OutOrStdout(), what)
}

// table writes rows in columns. Cells are made safe for a terminal: a title may hold anything.
func table(w io.Writer, header []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

// printable replaces control characters, which could move the cursor or colour the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func shorten(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// progress draws a bar on a terminal, and nothing anywhere else.
type progress struct {
	w       io.Writer
	label   string
	started time.Time
	drawn   time.Time
	on      bool
}

func newProgress(w io.Writer, label string) *progress {
	f, isFile := w.(*os.File)
	return &progress{w: w, label: label, started: time.Now(), on: isFile && term.IsTerminal(int(f.Fd()))}
}

func (p *progress) update(done, total int64) {
	now := time.Now()
	if !p.on || total <= 0 || now.Sub(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = now
	const width = 30
	filled := int(min(done, total) * width / total)
	rate := float64(done) / now.Sub(p.started).Seconds()
	left := "?"
	if rate > 0 {
		left = time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	fmt.Fprintf(p.w, "\r%s [%s%s] %d/%d  %.0f/s  %s left ", p.label,
		strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, total, rate, left)
}

func (p *progress) finish() {
	if p.on && !p.drawn.IsZero() {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", 100))
	}
}
