// Package fleet holds the tests that break a fleet while visitors follow links, owners edit them and
// new ones are made: shards are killed, paused, emptied, failed over, added and removed, and all that is
// behind the edges is stopped. A crowd remembers what was acknowledged, and knows from that what each link may
// lead to at each moment. The processes are those of deploy/fleet.
//
// The tests that check the crowd itself, on a service that is wrong on purpose, need nothing that runs.
package fleet
