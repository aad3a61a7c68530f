package shortener

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/snowflake"
)

// How an id is made up: milliseconds since the epoch, then the node, then a step within the
// millisecond. The codes of this layout last for 6.7 years from the epoch.
const (
	nodeBits = 5
	stepBits = 5

	// MaxNode is the highest number of a node.
	MaxNode = 1<<nodeBits - 1
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// setLayout tells the snowflake library the layout, which it keeps in globals of its own.
var setLayout = sync.OnceFunc(func() {
	snowflake.Epoch, snowflake.NodeBits, snowflake.StepBits = epoch.UnixMilli(), nodeBits, stepBits
})

// Codes generates ids and codes for one node. It is safe for concurrent use.
//
// No two nodes ever make the same id, and a node does not make one twice while it runs. What it
// cannot know is its past: whoever starts it sees to it that the node's number is nobody else's, and
// hands in the time up to which its ids may have been used before.
//
// A node makes at most 32 ids in a millisecond; a call that finds them used up spins until the next.
type Codes struct {
	node        *snowflake.Node
	permutation Permutation
	notBefore   int64        // ms since the epoch
	last        atomic.Int64 // highest id made
}

// NewCodes returns the generator of a node, 0 to MaxNode, under the service's key of 16 or 32 bytes.
// Ids at or below the time notBefore may have been made by an earlier holder of the node's number:
// zero if there was none.
func NewCodes(node int, key []byte, notBefore time.Time) (*Codes, error) {
	permutation, err := NewPermutation(key)
	if err != nil {
		return nil, err
	}
	setLayout()
	if snowflake.Epoch != epoch.UnixMilli() || snowflake.NodeBits != nodeBits || snowflake.StepBits != stepBits {
		return nil, Errorf(Internal, "the layout of ids was changed by another user of the snowflake library")
	}
	n, err := snowflake.NewNode(int64(node))
	if err != nil {
		return nil, fmt.Errorf("start id generator of node %d: %w", node, err)
	}
	c := &Codes{node: n, permutation: permutation, notBefore: -1}
	if notBefore.After(epoch) {
		c.notBefore = notBefore.Sub(epoch).Milliseconds()
	}
	return c, nil
}

// Next returns a new id, a decimal number that rises with time, and its code of eight base62
// characters, which tells nothing. The error is Unavailable while the clock has not passed the time
// given as notBefore, with the time this will take, or when the ids of the layout are used up.
func (c *Codes) Next() (id, code string, err error) {
	n := int64(c.node.Generate())
	switch at := n >> (nodeBits + stepBits); {
	case at <= c.notBefore || n < 0:
		p := Errorf(Unavailable, "The clock is behind the last id that was given: try again once it has caught up.")
		p.RetryAfter = time.Duration(max(c.notBefore, 0)-at+1) * time.Millisecond
		return "", "", p
	case n >= CodeSpace:
		return "", "", Errorf(Unavailable, "There are no more codes to generate: choose one.")
	}
	c.raise(n)
	return strconv.FormatInt(n, 10), codeOf(c.permutation.Encode(uint64(n))), nil
}

func (c *Codes) raise(id int64) {
	for last := c.last.Load(); last < id; last = c.last.Load() {
		if c.last.CompareAndSwap(last, id) {
			return
		}
	}
}

// HighWater returns the time of the highest id made, zero if there is none yet: what a later holder
// of the node's number must take as notBefore.
func (c *Codes) HighWater() time.Time {
	last := c.last.Load()
	if last == 0 {
		return time.Time{}
	}
	return IDTime(last)
}

// IDTime returns the millisecond in which an id was made.
func IDTime(id int64) time.Time {
	return epoch.Add(time.Duration(id>>(nodeBits+stepBits)) * time.Millisecond)
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// codeLen is the length of every generated code: there is one spelling of each.
const codeLen = 8

// codeOf returns n, which is below CodeSpace, as base62 digits with leading zeros.
func codeOf(n uint64) string {
	var b [codeLen]byte
	for i := codeLen - 1; i >= 0; i-- {
		b[i] = base62[n%62]
		n /= 62
	}
	return string(b[:])
}
