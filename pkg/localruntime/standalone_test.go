package localruntime_test

import (
	"testing"

	"wschat/test/standalone"
)

// Another project can take this package as it is.
func TestItImportsNothingOfThisProject(t *testing.T) { standalone.ImportsNothing(t, "localruntime") }

// The README's table says of each behaviour where it comes from, and which test has it.
func TestTheREADMENamesEveryTest(t *testing.T) { standalone.READMENamesEveryTest(t, 30) }
