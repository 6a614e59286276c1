// Package broadcast sends a room's feed to the room's members: each member gets every entry, in order.
//
// After an entry is stored, its sender tries to become the room's broadcaster by taking a ten-second lease with one
// conditional update. The lease's holder is the only one that sends the feed to the room, so members get entries in
// order, and entries that were stored meanwhile share one frame. A sender that finds the lease taken returns at once:
// the present broadcaster looks for more entries before and after it gives the lease back, and finds this one,
// because the entry was stored before the sender looked at the lease. A broadcaster that dies loses the lease after
// ten seconds, and the next sender goes on from the last index that was noted in the lease.
//
// A broadcast is three things. The broadcast itself holds the lease and runs the loop: read entries, read members,
// send. Its fan-out sends in rounds; in each, every member that lacks something gets one attempt. The fan-out has one
// recipient for each member. A new entry makes a recipient due that is up to date. An attempt leads on from there:
//
//	                    ┌─ all was taken ───────────────────────────────▶ up to date
//	                    ├─ all was taken, but it lacks more already ────▶ slow
//	                    ├─ there was no time for it ────────────────────▶ as before
//	due ───▶ in flight ─┼─ it failed, and another attempt may help ─────▶ failing
//	                    ├─ the same, for 5 s ───────────────────────────▶ given up
//	                    ├─ it failed, and no other attempt will help ───▶ up to date
//	                    └─ 410: the connection is closed ───────────────▶ gone
//
// A recipient that is slow, failing or given up goes in flight like one that is due, but no round waits for it:
//
//	state       what it means                                     what a round does
//	up to date  it needs none of the entries that were read       nothing
//	due         it lacks entries                                  begins an attempt, and waits for it
//	in flight   an attempt has begun and not ended, at most one   waits, at most 300 ms
//	slow        its last attempt outlasted a round                begins an attempt, and does not wait for it
//	failing     its last attempts failed, and another may help    the same, after the backoff's pause
//	given up    attempts failed for 5 s                           the same, for new entries only, until one succeeds
//	gone        its connection is closed                          nothing; the caller removes the member
//
// One goroutine owns all of it, without a mutex. Attempts run in goroutines of their own and report over a channel.
package broadcast
