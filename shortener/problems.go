package shortener

import "strings"

// Problems are all the rules that one request breaks, so that a caller learns of them at once. Each
// is Invalid and names its field. KindOf of a Problems is Invalid; errors.As finds the first.
type Problems []*Problem

// Error returns the messages, one sentence after the other.
func (ps Problems) Error() string {
	messages := make([]string, len(ps))
	for i, p := range ps {
		messages[i] = p.Message
	}
	return strings.Join(messages, " ")
}

// Unwrap returns the problems.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// err returns ps as an error: nil if there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}
