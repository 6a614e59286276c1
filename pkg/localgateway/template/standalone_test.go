package template_test

import (
	"testing"

	"wschat/test/standalone"
)

// Another project can take this package as it is.
func TestItImportsNothingOfThisProject(t *testing.T) { standalone.ImportsNothing(t, "template") }
