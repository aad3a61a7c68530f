package eventstore

import (
	"embed"
	"fmt"
	"strconv"
	"strings"

	"snowlink/shortener"
)

//go:embed list.sql
var listFile embed.FS

var listParts = ParseStatements(listFile, "list.sql")

// ListStatement puts the statement for q together. Its placeholders are question marks. hasTag is the
// condition that a link has a tag: tags are kept in different ways.
func ListStatement(q shortener.LinkQuery, hasTag string) (text string, args []any, err error) {
	if q.Limit < 1 {
		return "", nil, fmt.Errorf("list links: limit %d", q.Limit)
	}
	var conditions []string
	where := func(condition string, values ...any) {
		conditions = append(conditions, condition)
		args = append(args, values...)
	}
	now := q.Now.UnixMilli()
	switch q.Status {
	case shortener.StatusActive, shortener.StatusScheduled:
		where(listParts.Get("list-"+string(q.Status)), now, now)
	case shortener.StatusExpired:
		where(listParts.Get("list-expired"), now)
	case shortener.StatusDisabled, shortener.StatusDeleted:
		where(listParts.Get("list-" + string(q.Status)))
	case "":
		where(listParts.Get("list-present"))
	default:
		return "", nil, shortener.InvalidField("status", "invalid-status", "there is no status %q", q.Status)
	}
	for word := range strings.FieldsSeq(strings.ToLower(q.Text)) {
		where(listParts.Get("list-word"), "%"+likeEscaper.Replace(word)+"%")
	}
	if q.Tag != "" {
		where(hasTag, q.Tag)
	}
	if q.Domain != nil {
		where(listParts.Get("list-domain"), *q.Domain)
	}
	sort := "created"
	if q.Sort == shortener.SortUpdated {
		sort = "updated"
	}
	if q.After != nil {
		id, err := strconv.ParseInt(q.After.ID, 10, 64)
		if err != nil {
			return "", nil, shortener.InvalidField("cursor", "invalid-cursor", "the cursor is not one of this list's")
		}
		where(listParts.Get("list-after-"+sort), q.After.At.UnixMilli(), id)
	}
	text = listParts.Get("list") + "\n" + strings.Join(conditions, "\nAND ") + "\n" + listParts.Get("list-by-"+sort)
	return text, append(args, q.Limit), nil
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
