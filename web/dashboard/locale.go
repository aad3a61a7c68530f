package dashboard

import (
	"net/http"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

// locale is how a visitor reads: the language, and the time zone.
type locale struct {
	tag     language.Tag
	printer *message.Printer
	Zone    *time.Location
}

// The languages of the dashboard. English is what the catalogues of the others are keyed by.
var (
	languages = []language.Tag{language.English, language.German}
	matcher   = language.NewMatcher(languages)
	texts     = newCatalogue()
)

func newCatalogue() catalog.Catalog {
	builder := catalog.NewBuilder(catalog.Fallback(language.English))
	for tag, all := range map[language.Tag]map[string]string{language.English: english, language.German: german} {
		for key, text := range all {
			if err := builder.SetString(tag, key, text); err != nil {
				panic(err) // it is in the program
			}
		}
	}
	return builder
}

// localeOf reads what the browser asks for. The time zone is that of a cookie which a script of the
// dashboard sets, or of the parameter tz.
func localeOf(r *http.Request) locale {
	wanted := r.Header.Get("Accept-Language")
	if cookie, err := r.Cookie("lang"); err == nil {
		wanted = cookie.Value + "," + wanted
	}
	_, i := language.MatchStrings(matcher, wanted)
	l := locale{tag: languages[i], printer: message.NewPrinter(languages[i], message.Catalog(texts)), Zone: time.UTC}
	name := r.URL.Query().Get("tz")
	if cookie, err := r.Cookie("tz"); err == nil && name == "" {
		name = cookie.Value
	}
	if zone, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
		l.Zone = zone
	}
	return l
}

// Lang returns the language as a document names it.
func (l locale) Lang() string { return l.tag.String() }

// T returns a text in the visitor's language, with its arguments.
func (l locale) T(key string, args ...any) string { return l.printer.Sprintf(key, args...) }

// N returns a number as it is written in the visitor's language.
func (l locale) N(n int64) string { return l.printer.Sprintf("%d", n) }

// Day returns a date.
func (l locale) Day(t time.Time) string { return t.In(l.Zone).Format(l.T("2 Jan 2006")) }

// Moment returns a date and a time.
func (l locale) Moment(t time.Time) string { return t.In(l.Zone).Format(l.T("2 Jan 2006, 15:04")) }
