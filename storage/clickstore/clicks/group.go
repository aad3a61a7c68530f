package clicks

import (
	"strconv"
	"strings"

	"snowlink/shortener"
)

// GroupColumns are the columns that a grouping groups by, the bucket of time first if it has an interval: the
// expressions with their names, and the names alone.
func GroupColumns(by shortener.Grouping) (selected, names string, err error) {
	var columns, all []string
	if by.Interval != "" {
		columns, all = []string{"{bucket} AS bucket"}, []string{"bucket"}
	}
	for i, d := range by.Dimensions {
		expression, err := Expression(d)
		if err != nil {
			return "", "", err
		}
		name := "v" + strconv.Itoa(i)
		columns, all = append(columns, expression+" AS "+name), append(all, name)
	}
	if len(all) == 0 {
		return "", "", shortener.InvalidField("dimensions", "required", "Say what clicks are to be counted by.")
	}
	return strings.Join(columns, ", "), strings.Join(all, ", "), nil
}
