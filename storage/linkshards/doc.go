// Package linkshards keeps the link shards: copies of all links in several Redis instances, from which
// edges answer what they do not have in memory.
//
// A shard is a view. What it holds may be lost, late or missing, and never wrong: each value begins
// with the link's version, and an older one never replaces a newer one, in whatever order writes
// arrive; each value holds the link's own ref, and one that is found under another key is not
// returned. Link values have no expiry.
//
// Under failure: a shard that is down is an error and never a miss, so that nobody concludes from
// silence that a link does not exist. Each shard has a breaker of its own, and a call obeys its
// deadline however the server hangs. Keys of a shard that is down stay its keys. Every change of a
// link is announced on the shard that holds it; who follows the announcements is told when it may
// have missed some.
//
// Membership: which shards there are, and which links each owns, is a Membership, of which every
// change is a new epoch. Shards go over to it while calls are under way. While links move, reads ask
// their new owner and their old one, and writes go to both. Each shard knows the newest epoch, each
// write carries its own, and one that is older is refused with ErrStaleEpoch: a process that is late
// cannot leave anything where nobody would look after it. One that has been late for five seconds does
// not trust what it reads either.
//
// Trust: a Redis that restarted from an old dump, or a replica that was promoted without the last
// writes, holds old versions. So a shard bears a mark that names the run of Redis whose links were
// compared with the truth, and a record from a run that is not the one marked comes with
// ErrUnverified. A client has many connections, which after a failover reach different runs; trust is
// therefore tied to connections. All connections of one client reach one run, because each asks for
// it, and for the mark, before it is used: the first decides which run the client is for, and one that
// reaches another is refused. With that the client has had its day: a new one takes its place, which
// begins unverified, and what the old one may still answer is not trusted any more. So a record counts
// as verified only if the run that it came from was found verified, and no connection has since shown
// another run in its place. An old primary that was paused, and answers again before its successor is
// known here, would be trusted still; so connections to an instance that does not answer within half a
// second are given up, which takes a failover less time than it needs. Embedded shards are always
// verified: they end with their process.
package linkshards
