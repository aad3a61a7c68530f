package storetest

import (
	"slices"
	"strings"
	"testing"

	"snowlink/storage/eventstore"
)

func verifies(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	log := logs.open(t, place)
	for _, code := range []string{"a", "b", "c"} {
		mustAppend(t, log, creation(ref(code), to("https://one.example/")))
	}
	wantSound(t, log)
	logs.Exec(t, place, `UPDATE links SET target = 'https://evil.example/' WHERE code = 'b'`)
	report, err := log.Verify(t.Context(), nil)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	found := slices.ContainsFunc(report.Faults, func(f eventstore.Fault) bool {
		return f.Ref == ref("b") && f.Field == "target" && f.Got == "https://evil.example/" && f.Want == "https://one.example/"
	})
	if !found || report.OK() {
		t.Errorf("verify of a changed target: got %+v, want it named", report)
	}
	if err := log.Replay(t.Context(), nil); err != nil {
		t.Fatalf("replay: %v", err)
	}
	wantSound(t, log)
}

func verifiesAll(t *testing.T, logs EventLogs) {
	for name, tc := range map[string]struct{ statement, want string }{
		"a position is missing":    {`DELETE FROM events WHERE position = 2`, "lacks the positions 2 to 2"},
		"the first positions":      {`DELETE FROM events WHERE position < 3`, "lacks the positions 1 to 2"},
		"a version is missing":     {`UPDATE events SET version = 3 WHERE position = 2`, "does not follow"},
		"data that cannot be read": {`UPDATE events SET data = '{' WHERE position = 2`, "apply event"},
		"a link nobody made": {`INSERT INTO links SELECT 99, 'x', code, target, title, note, tags, state, redirect_status, starts_at, expires_at,
			fallback_url, forward_query, version, created_at, updated_at, created_by, words FROM links WHERE code = 'a'`, "that the log does not know"},
		"a link before all others": {`UPDATE links SET code = '!' WHERE code = 'a'`, "the view lacks the link"},
		"a link that was deleted":  {`DELETE FROM links WHERE code = 'b'`, "the view lacks the link"},
		"the words of a search":    {`UPDATE links SET words = 'x' WHERE code = 'b'`, "words"},
	} {
		t.Run(name, func(t *testing.T) {
			place := logs.Place(t)
			log := logs.open(t, place)
			for _, code := range []string{"a", "b", "c"} {
				mustAppend(t, log, creation(ref(code), to("https://one.example/")))
			}
			logs.Exec(t, place, tc.statement)
			report, err := log.Verify(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(report.Faults, func(f eventstore.Fault) bool { return strings.Contains(f.String(), tc.want) }) {
				t.Errorf("verify: got %v, want a fault with %q", report.Faults, tc.want)
			}
		})
	}
}

func replaysInVain(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	log := logs.open(t, place)
	for _, code := range []string{"a", "b", "c"} {
		mustAppend(t, log, creation(ref(code), to("https://one.example/")))
	}
	logs.Exec(t, place, `UPDATE events SET type = 'link.unheard' WHERE position = 3`)
	if err := log.Replay(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "link.unheard") {
		t.Errorf("replay of an unknown event: got %v, want an error that names it", err)
	}
	if _, err := log.Link(t.Context(), ref("a")); err != nil {
		t.Errorf("link afterwards: %v", err)
	}
	mustAppend(t, log, creation(ref("d"), to("https://one.example/")))
}
