package components

import (
	"context"
	"testing"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"

	"snowlink/infra/breaker"
)

// BenchmarkBreakerCall makes a call that succeeds at once through a breaker that is closed.
func BenchmarkBreakerCall(b *testing.B) {
	own := breaker.New("bench", breaker.Config{})
	sony := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{Name: "bench"})
	failsafes := failsafe.With(circuitbreaker.NewWithDefaults[any]())
	ctx := context.Background()
	for _, peer := range []struct {
		name string
		call func() bool
	}{
		{"snowlink", func() bool { return own.Do(ctx, func(context.Context) error { return nil }) == nil }},
		{"gobreaker", func() bool {
			_, err := sony.Execute(func() (struct{}, error) { return struct{}{}, nil })
			return err == nil
		}},
		{"failsafe-go", func() bool { return failsafes.Run(func() error { return nil }) == nil }},
	} {
		bothWays(b, peer.name, func(int) func() bool { return peer.call })
	}
}
