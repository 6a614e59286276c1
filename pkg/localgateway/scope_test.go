package localgateway

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A signature whose scope has another day than its time is wrong, even if it was made so.
func TestTheDayOfAScopeIsThatOfTheSignature(t *testing.T) {
	g, err := New(Config{Handler: deadHandler{},
		Credentials: &Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	for _, tc := range []struct {
		day  time.Time
		want *signatureProblem
	}{{now, nil}, {now.AddDate(0, 0, -1), &expiredSign}} {
		r := httptest.NewRequest("GET", "/dev", nil)
		r.Header.Set("X-Amz-Date", now.Format(signingTime))
		s := signature{date: tc.day.Format("20060102"), region: region, signedHeaders: []string{"host"}, at: now}
		made := s.compute("secret", s.canonicalRequest(r, r.Host, nil))
		scope := strings.Join([]string{"AKID", s.date, s.region, signingService, "aws4_request"}, "/")
		r.Header.Set("Authorization", signingAlgorithm+" Credential="+scope+", SignedHeaders=host, Signature="+made)
		if got := g.checkSignature(r, nil); got != tc.want {
			t.Errorf("signed with %s: got %+v, want %+v", s.date, got, tc.want)
		}
	}
}
