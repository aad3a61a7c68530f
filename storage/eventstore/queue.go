package eventstore

import (
	"context"
	"runtime"
	"sync"
)

// maxGroup bounds the writes that share a transaction, and with them the wait of the first.
const maxGroup = 256

// Queue is where writes wait for the one writer of a store, which takes all that wait at once and puts
// them into one transaction: group commit. It is safe for concurrent use.
type Queue[T any] struct {
	waiting chan *Write[T]
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// Write is one caller's part of a transaction.
type Write[T any] struct {
	What T
	Err  error // set by the writer before Done is closed
	done chan struct{}
}

// Done is closed when the writer knows what became of the write.
func (w *Write[T]) Done() <-chan struct{} { return w.done }

// NewQueue returns a queue. Run serves it.
func NewQueue[T any]() *Queue[T] {
	return &Queue[T]{waiting: make(chan *Write[T]), closing: make(chan struct{}), ended: make(chan struct{})}
}

// Hand waits until the writer takes the write up, and returns without waiting for what becomes of it.
// The error is ctx's or ErrClosed: nothing will be done then.
func (q *Queue[T]) Hand(ctx context.Context, what T) (*Write[T], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &Write[T]{What: what, done: make(chan struct{})}
	select {
	case q.waiting <- w:
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.ended:
		return nil, ErrClosed
	}
}

// Run calls settle with one group of writes after the other until the queue is closed. settle sets
// what became of each.
func (q *Queue[T]) Run(settle func([]*Write[T])) {
	defer close(q.ended)
	for {
		select {
		case <-q.closing:
			return
		case first := <-q.waiting:
			group := q.gather(first)
			settle(group)
			for _, one := range group {
				close(one.done)
			}
		}
	}
}

// gather returns first and whoever else is waiting.
func (q *Queue[T]) gather(first *Write[T]) []*Write[T] {
	group := []*Write[T]{first}
	// Those just answered by the last transaction are about to come back. Letting them run first
	// makes one group of what would otherwise be a group of one and a group of the rest.
	runtime.Gosched()
	for len(group) < maxGroup {
		select {
		case next := <-q.waiting:
			group = append(group, next)
		default:
			return group
		}
	}
	return group
}

// Close lets the group under way be settled and refuses all others. It returns when Run has.
func (q *Queue[T]) Close() {
	q.once.Do(func() { close(q.closing) })
	<-q.ended
}

// Closing is closed when Close was called.
func (q *Queue[T]) Closing() <-chan struct{} { return q.closing }
