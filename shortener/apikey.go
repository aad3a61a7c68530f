package shortener

import "time"

// Role is what an API key may do. Each role may do what those before it may.
type Role string

// The roles, from the least to the most powerful.
const (
	RoleReader Role = "reader" // read links and analytics
	RoleEditor Role = "editor" // make and change links
	RoleOwner  Role = "owner"  // keys, and what concerns the installation
)

var roleRank = map[Role]int{RoleReader: 1, RoleEditor: 2, RoleOwner: 3}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return roleRank[r] > 0 }

// Allows reports whether a key of role r may do what needs the role need.
func (r Role) Allows(need Role) bool { return roleRank[r] >= roleRank[need] && r.Valid() }

// APIKeyPrefix begins every API key, so that scanners for leaked secrets find them.
const APIKeyPrefix = "slk_"

// APIKey is a key as the service keeps it: the secret itself is never stored.
type APIKey struct {
	ID        string // "key_…", shown in histories as the actor
	Name      string
	Role      Role
	Hash      [32]byte // SHA-256 of the secret, which has 160 bits of entropy
	Hint      string   // the last four characters, to tell keys apart
	CreatedAt time.Time
	CreatedBy string    // id of the key that made it, "" for the first
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: in force

	// How often the key may be used; zero: as often as every key of the installation.
	Rate  float64 // calls a second in the long run
	Burst int     // calls at once
}

// Live reports whether the key is in force at now.
func (k APIKey) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}
