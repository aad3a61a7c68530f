package linkshards

import (
	"fmt"
	"strconv"
	"strings"

	"snowlink/shortener"
)

// The formats of everything that the shards carry for links.

// linkKey is the key of a link's record: "l:abc" for a code of the default domain,
// "l:go.example/abc" for one of another. A code has no slash.
func linkKey(ref shortener.Ref) string {
	if ref.Domain == "" {
		return "l:" + ref.Code
	}
	return "l:" + ref.Domain + "/" + ref.Code
}

// What a shard keeps beside links.
const (
	epochKey        = "snowlink:epoch"        // the newest membership it knows; writes of older ones are refused
	verifiedKey     = "snowlink:verified"     // the run of Redis whose links were compared with the truth
	installationKey = "snowlink:installation" // whose shard it is
)

// membersChannel is the pub/sub channel on which shards announce that the membership, or the trust in an
// instance, has changed.
const membersChannel = "members.changed"

// changesChannel is the pub/sub channel on which each shard announces the changes of its links.
const changesChannel = "links.changed"

// announcement says that a link has reached a version: "domain/code version".
func announcement(ref shortener.Ref, version int64) string {
	return ref.String() + " " + strconv.FormatInt(version, 10)
}

// parseAnnouncement reads what announcement wrote.
func parseAnnouncement(text string) (ref shortener.Ref, version int64, err error) {
	name, number, ok := strings.Cut(text, " ")
	if ok {
		ref.Domain, ref.Code, ok = strings.Cut(name, "/")
	}
	version, err = strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || ref.Code == "" {
		return shortener.Ref{}, 0, fmt.Errorf("announcement %q is not of the form \"domain/code version\"", text)
	}
	return ref, version, nil
}
