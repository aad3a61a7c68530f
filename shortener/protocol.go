package shortener

// Protocol is the version of what the roles of an installation say to each other: internal calls, records,
// batches of clicks. It is raised by one with each change that the version before would misread.
const Protocol = 1

// Understands reports whether a role that speaks this Protocol can work with one that speaks version: the
// same, and the neighbours, since in a rolling upgrade both run side by side.
func Understands(version int) bool {
	return version >= 1 && version >= Protocol-1 && version <= Protocol+1
}
