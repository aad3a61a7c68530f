package api_test

import (
	"fmt"
	"strings"
	"testing"

	"snowlink/web/api"
)

func (w *world) ask(question string) *answer {
	w.t.Helper()
	return w.call("POST", "/api/v1/analytics/query", reader, question)
}

func TestAQuestionIsAnswered(t *testing.T) {
	w := clicked(t)
	for question, want := range map[string]string{
		`{}`:                         `[] 6/5/1/4`,
		`{"dimensions":["country"]}`: `[GB] 2/2/0/1; [SE] 2/1/1/1; [] 1/1/0/1; [US] 1/1/0/1`,
		`{"dimensions":["country","code"],"metrics":["clicks"]}`:                                                      `[GB x] 2; [SE x] 2; [ x] 1; [US y] 1`,
		`{"dimensions":["country"],"filters":{"country":["GB","US"]}}`:                                                `[GB] 2/2/0/1; [US] 1/1/0/1`,
		`{"dimensions":["country"],"filters":{"country":"-GB","bots":"exclude"}}`:                                     `[] 1/1/0/1; [SE] 1/1/0/1; [US] 1/1/0/1`,
		`{"filters":{"code":"x","tag":"t"}}`:                                                                          `[] 5/4/1/3`,
		`{"dimensions":["code"],"range":"yesterday"}`:                                                                 `[x] 2/1/1/1`,
		`{"dimensions":["code"],"range":{"from":"2026-11-23T11:59:00Z"}}`:                                             `[x] 2/2/0/2`,
		`{"dimensions":["time"],"interval":"day","range":"7d","metrics":["clicks"]}`:                                  `[2026-11-22T00:00:00Z] 2; [2026-11-23T00:00:00Z] 4`,
		`{"dimensions":["code","time"],"interval":"day","range":"7d","metrics":["clicks"],"timezone":"Asia/Kolkata"}`: `[x 2026-11-22T00:00:00+05:30] 2; [x 2026-11-23T00:00:00+05:30] 3; [y 2026-11-23T00:00:00+05:30] 1`,
		`{"dimensions":["code"],"range":"today","compare":true,"metrics":["clicks"]}`:                                 `[x] 3 (1); [y] 1 (0)`,
		`{"range":"today","compare":"previous","metrics":["humans"]}`:                                                 `[] 4 (1)`,
	} {
		got := decode[api.Answer](w.ask(question).status(200))
		var rows []string
		for _, r := range got.Results {
			rows = append(rows, fmt.Sprint(r.Dimensions, " ", shown(got.Meta.Metrics, r.Metrics)))
			if r.Comparison != nil {
				rows[len(rows)-1] += " (" + shown(got.Meta.Metrics, r.Comparison) + ")"
			}
		}
		if text := strings.Join(rows, "; "); text != want {
			t.Errorf("%s\n got %s\nwant %s", question, text, want)
		}
	}
}

func shown(metrics []string, values map[string]int64) string {
	var parts []string
	for _, m := range metrics {
		parts = append(parts, fmt.Sprint(values[m]))
	}
	return strings.Join(parts, "/")
}

func TestAnAnswerIsWalkedPageByPage(t *testing.T) {
	w := clicked(t)
	question, rest := `{"dimensions":["country"],"limit":2`, `}`
	first := decode[api.Answer](w.ask(question + rest).status(200))
	if len(first.Results) != 2 || first.Meta.Total != 4 || first.Meta.NextCursor == nil {
		t.Fatalf("first page: %+v", first)
	}
	rest = `,"cursor":"` + *first.Meta.NextCursor + `"}`
	second := decode[api.Answer](w.ask(question + rest).status(200))
	if len(second.Results) != 2 || second.Meta.NextCursor != nil {
		t.Errorf("second page: %+v", second)
	}
	w.ask(`{"dimensions":["city"],"limit":2`+rest).problem(422, "invalid-cursor")
}

func TestQuestionsThatAreRefused(t *testing.T) {
	w := clicked(t)
	for question, slug := range map[string]string{
		`{"dimensions":["shoe_size"]}`:                        "invalid-value",
		`{"dimensions":["country","country"]}`:                "invalid-value",
		`{"dimensions":["code","city","os","device","rule"]}`: "invalid-value",
		`{"metrics":["money"]}`:                               "invalid-value",
		`{"filters":{"shoe_size":"1"}}`:                       "invalid-value",
		`{"filters":{"bots":"perhaps"}}`:                      "invalid-value",
		`{"range":"eternity"}`:                                "invalid-value",
		`{"range":{"from":"2026-11-02","to":"2026-11-01"}}`:   "invalid-range",
		`{"timezone":"Mars/Phobos"}`:                          "invalid-time-zone",
		`{"interval":"day"}`:                                  "invalid-interval",
		`{"compare":true}`:                                    "invalid-compare",
		`{"compare":true,"dimensions":["time"],"range":"7d"}`: "invalid-compare",
		`{"dimensions":["time"],"interval":"minute","range":{"from":"1926-01-01","to":"2026-01-01"}}`: "invalid-time",
		`{"dimensions":["time"],"interval":"minute","range":{"from":"1976-01-01","to":"2026-01-01"}}`: "too-many-buckets",
		`{"limit":0}`:  "invalid-value",
		`{"limit":-1}`: "invalid-value",
		`{"sort":"x"}`: "invalid-value",
	} {
		w.ask(question).problem(422, slug)
	}
	w.clicks.setDown(errClicksDown)
	w.ask(`{"dimensions":["country"]}`).problem(503, "unavailable")
}
