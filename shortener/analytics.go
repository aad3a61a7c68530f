package shortener

import (
	"slices"
	"time"
)

// Dimension is something clicks can be broken down and filtered by.
type Dimension string

// Dimensions lists every dimension, in the order in which they are documented.
var Dimensions = []Dimension{
	"country", "region", "city", "referrer", "referrer_url", "channel", "browser", "os", "device", "language", "bot",
	"utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "code", "domain", "rule", "source",
}

// ValidDimension reports whether d is one of Dimensions.
func ValidDimension(d Dimension) bool { return slices.Contains(Dimensions, d) }

// BotFilter says which visitors are counted.
type BotFilter string

// The bot filters. The empty one is BotsInclude: both are counted, apart.
const (
	BotsInclude BotFilter = "include"
	BotsExclude BotFilter = "exclude"
	BotsOnly    BotFilter = "only"
)

// Filter keeps the clicks whose dimension has any of Any and none of None. The value "" is the
// unknown one.
type Filter struct {
	Dimension Dimension
	Any       []string
	None      []string
}

// ClickQuery selects clicks. The zero value selects all of them.
type ClickQuery struct {
	Refs    []Ref // any of; nil: all links, empty but not nil: none
	Domain  *string
	From    time.Time // inclusive; zero: from the first
	To      time.Time // exclusive; zero: to the last
	Bots    BotFilter
	Filters []Filter // all of
}

// Totals count clicks. Clicks = Humans + Bots.
type Totals struct {
	Clicks   int64 `json:"clicks"`
	Humans   int64 `json:"humans"`
	Bots     int64 `json:"bots"`
	Visitors int64 `json:"visitors"` // distinct daily visitors among the humans
}

// Interval is the width of a bucket of a time series.
type Interval string

// The intervals. Weeks begin on Monday.
const (
	Minute Interval = "minute"
	Hour   Interval = "hour"
	Day    Interval = "day"
	Week   Interval = "week"
	Month  Interval = "month"
)

// Bucket is one step of a time series. Start is its first instant.
type Bucket struct {
	Start time.Time
	Totals
}

// HoursOfWeek counts clicks by the hour of the week that a wall clock showed: first Monday from midnight to one,
// last Sunday from 23 o'clock on.
type HoursOfWeek [7 * 24]Totals

// Grouping says what clicks are counted by: time if there is an interval, and dimensions.
type Grouping struct {
	Interval   Interval // "": not by time
	Zone       *time.Location
	Dimensions []Dimension
}

// Group is the clicks that have the same values of a Grouping.
type Group struct {
	Start  time.Time // of the bucket; zero if there is no interval
	Values []string  // as the dimensions are ordered
	Totals
}

// Share is one row of a breakdown.
type Share struct {
	Value string // for dimension code: "code", or "domain/code" outside of the default domain
	Totals
}
