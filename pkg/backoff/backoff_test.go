package backoff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var policy = Policy{First: 8 * time.Millisecond, Most: 100 * time.Millisecond}

func TestPausesDoubleAndStayUnderTheMost(t *testing.T) {
	for attempt, whole := range map[int]time.Duration{1: 8, 2: 16, 3: 32, 4: 64, 5: 100, 6: 100, 60: 100,
		1 << 40: 100} {
		whole *= time.Millisecond
		var different bool
		first := policy.Pause(attempt)
		for range 1000 {
			pause := policy.Pause(attempt)
			if pause < whole/2 || pause > whole {
				t.Fatalf("the pause after attempt %d is %v, want %v to %v", attempt, pause, whole/2, whole)
			}
			different = different || pause != first
		}
		if !different {
			t.Errorf("1,000 pauses after attempt %d are all %v: there is no jitter", attempt, first)
		}
	}
}

func TestRetryEndsWithSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		err := policy.Retry(t.Context(), func(error) bool { return true }, func() error {
			if attempts++; attempts < 4 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || attempts != 4 {
			t.Errorf("it ended with %v after %d attempts, want success after 4", err, attempts)
		}
	})
}

func TestRetryEndsWithWhatIsNotRetryable(t *testing.T) {
	final := errors.New("final")
	attempts := 0
	err := policy.Retry(t.Context(), func(err error) bool { return err != final },
		func() error { attempts++; return final })
	if err != final || attempts != 1 {
		t.Errorf("it ended with %v after %d attempts, want %v after 1", err, attempts, final)
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failure, began := errors.New("always"), time.Now()
		err := policy.Retry(ctx, func(error) bool { return true }, func() error { return failure })
		if took := time.Since(began); err != failure || took != time.Second {
			t.Errorf("it ended with %v after %v, want %v when the context ended, after 1 s", err, took, failure)
		}
	})
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Sleep(ctx, 500*time.Millisecond); err != nil {
			t.Errorf("it ended with %v, want nil after the whole pause", err)
		}
		if err := Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v, want the context's error", err)
		}
	})
}
