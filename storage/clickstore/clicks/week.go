package clicks

import (
	"fmt"
	"strings"
	"time"
)

// HourOfWeek returns the expression of the hour of the week, 0 for Monday from midnight to one, that the
// wall clock of loc shows at a click between first and last. divide is a whole division and modulo its rest in the
// engine's language, with the places of both operands.
//
// A zone is taken apart into the stretches in which its clock differs from UTC by the same, so that all
// engines agree, whatever they know of zones.
func HourOfWeek(first, last time.Time, loc *time.Location, divide, modulo string) string {
	const monday = 3 * 24 * time.Hour // the week before the first day of Unix time, a Thursday, began so long before it
	var local strings.Builder
	at, arms := first.In(loc), 0
	for {
		_, offset := at.Zone()
		shift := monday.Milliseconds() + int64(offset)*1000
		_, end := at.ZoneBounds()
		if end.IsZero() || end.After(last) {
			fmt.Fprintf(&local, "at_ms + %d", shift)
			break
		}
		arms++
		fmt.Fprintf(&local, "CASE WHEN at_ms < %d THEN at_ms + %d ELSE ", end.UnixMilli(), shift)
		at = end.In(loc)
	}
	local.WriteString(strings.Repeat(" END", arms))
	hours := fmt.Sprintf(divide, "("+local.String()+")", time.Hour.Milliseconds())
	return fmt.Sprintf(modulo, "("+hours+")", 7*24)
}
