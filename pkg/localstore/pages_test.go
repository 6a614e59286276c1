package localstore_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// pageOf is a page of 4096 bytes in an image; what is set in it is set in the image.
type pageOf []byte

func pageAt(image []byte, id uint64) pageOf { return image[id*4096:] }

func (p pageOf) count() uint16             { return binary.NativeEndian.Uint16(p[10:]) }
func (p pageOf) isBranch() bool            { return binary.NativeEndian.Uint16(p[8:]) == 1 }
func (p pageOf) get(at int) uint64         { return binary.NativeEndian.Uint64(p[at:]) }
func (p pageOf) set(at int, value uint64)  { binary.NativeEndian.PutUint64(p[at:], value) }
func (p pageOf) add(at int, value uint32)  { p.put(at, binary.NativeEndian.Uint32(p[at:])+value) }
func (p pageOf) put(at int, value uint32)  { binary.NativeEndian.PutUint32(p[at:], value) }
func (p pageOf) setCount(value uint16)     { binary.NativeEndian.PutUint16(p[10:], value) }
func (p pageOf) child(i int) uint64        { return p.get(16 + 16*i + 8) }
func (p pageOf) setChild(i int, id uint64) { p.set(16+16*i+8, id) }

// key returns the bytes of a branch's or a leaf's key.
func (p pageOf) key(i int) []byte {
	at, position, size := 16+16*i, 0, 4
	if !p.isBranch() {
		position, size = 4, 8
	}
	begin := at + int(binary.NativeEndian.Uint32(p[at+position:]))
	return p[begin:][:binary.NativeEndian.Uint32(p[at+size:])]
}

// sketch is what a test damages: the newer head, the list of free pages, the root, and a branch of a room with rows
// below.
type sketch struct{ head, free, root, branch, leaf pageOf }

func sketchOf(t *testing.T, image []byte) (s sketch) {
	t.Helper()
	s.head = pageAt(image, 0)
	if newer := pageAt(image, 1); newer.get(64) > s.head.get(64) {
		s.head = newer
	}
	s.free, s.root = pageAt(image, s.head.get(48)), pageAt(image, s.head.get(32))
	seen := map[uint64]bool{}
	for n := range s.free.count() {
		seen[s.free.get(16+8*int(n))] = true
	}
	for id := uint64(2); id < s.head.get(56); id++ {
		if p := pageAt(image, id); !seen[id] && p.get(0) == id && p.isBranch() && p.count() > 2 && len(p.key(0)) == 8 {
			s.branch, s.leaf = p, pageAt(image, p.child(1))
		}
	}
	if s.branch == nil || s.free.count() < 2 || s.leaf.count() < 2 {
		t.Fatal("the sample has too little in it")
	}
	return s
}

// Whatever bbolt relies on is checked before it opens a file. Some of this damage would have it run in circles, or give
// pages in use to new messages.
func TestDamagedPages(t *testing.T) {
	image, rooms := sample(t)
	for name, tc := range map[string]struct {
		damage func(s sketch)
		says   string
	}{
		"a page in use is free": {func(s sketch) { s.free.set(16, s.branch.get(0)) }, "is free and in use"},
		"a page is free twice":  {func(s sketch) { s.free.set(24, s.free.get(16)) }, "is free and in use"},
		"a free page is not listed": {func(s sketch) { s.free.setCount(s.free.count() - 1) },
			"neither free nor in use"},
		"a free page is none": {func(s sketch) { s.free.set(16, 1<<40) }, "is free and in use"},
		"too many free pages": {func(s sketch) { s.free.setCount(5000) }, "no list of free pages"},
		"far too many free pages": {func(s sketch) { s.free.setCount(0xffff); s.free.set(16, 1<<62) },
			"no list of free pages"},
		"the list of free pages: page": {func(s sketch) { s.free[8] = 2 }, "no list of free pages"},
		"a branch is below itself":     {func(s sketch) { s.branch.setChild(1, s.branch.get(0)) }, "is used twice"},
		"two rows of pages are one":    {func(s sketch) { s.branch.setChild(1, s.branch.child(0)) }, "is used twice"},
		"a page beyond the end":        {func(s sketch) { s.branch.setChild(1, s.head.get(56)) }, "is referred to"},
		"a page far beyond the end":    {func(s sketch) { s.branch.setChild(1, 1<<60) }, "is referred to"},
		"another page's id":            {func(s sketch) { s.leaf.set(0, s.leaf.get(0)+1) }, "has a wrong header"},
		"a page that goes too far":     {func(s sketch) { s.leaf.put(12, 1<<31) }, "has a wrong header"},
		"a page that is longer":        {func(s sketch) { s.leaf.add(12, 1) }, "page"},
		"a page that is none":          {func(s sketch) { s.leaf[8] = 3 }, "has the flags 3"},
		"a branch that is a leaf":      {func(s sketch) { s.branch[8] = 2 }, "page"},
		"a page of nothing":            {func(s sketch) { s.leaf.setCount(0) }, "is empty"},
		"a row fewer": {func(s sketch) { s.leaf.setCount(s.leaf.count() - 1) },
			"lies outside its place"},
		"a row more": {func(s sketch) { s.leaf.setCount(s.leaf.count() + 1) },
			"lies outside its place"},
		"far more rows":              {func(s sketch) { s.leaf.setCount(60_000) }, "elements"},
		"a row elsewhere":            {func(s sketch) { s.leaf.add(16+16+4, 8) }, "lies outside its place"},
		"a row far away":             {func(s sketch) { s.leaf.put(16+16+4, 1<<31) }, "lies outside its place"},
		"a longer key":               {func(s sketch) { s.leaf.add(16+8, 1) }, "lies outside its place"},
		"a longer row":               {func(s sketch) { s.leaf.add(16+12, 16) }, "lies outside its place"},
		"a row as long as the world": {func(s sketch) { s.leaf.put(16+12, 1<<32-1) }, "lies outside its place"},
		"a row that is a bucket":     {func(s sketch) { s.leaf.put(16, 1) }, "bucket"},
		"a row with strange flags":   {func(s sketch) { s.leaf.put(16, 2) }, "element with the flags 2"},
		"rows out of order":          {func(s sketch) { s.leaf.key(1)[7] = 0 }, "not in order"},
		"a row twice":                {func(s sketch) { copy(s.leaf.key(1), s.leaf.key(0)) }, "not in order"},
		"a row of the page before":   {func(s sketch) { s.leaf.key(0)[7]-- }, "not in order"},
		"a row of a page to come":    {func(s sketch) { s.leaf.key(int(s.leaf.count()) - 1)[6]++ }, "not in order"},
		"branches out of order":      {func(s sketch) { s.branch.key(1)[6]++ }, "not in order"},
		"a bucket that is a row":     {func(s sketch) { s.root.put(16, 0) }, "is no bucket"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(image)
			tc.damage(sketchOf(t, b))
			if err := refusal(t, b, rooms); !strings.Contains(err, tc.says) {
				t.Errorf("got %q, want %q", err, tc.says)
			}
		})
	}
}

// The pages that are in use are all there is: a file may be cut behind them.
func TestAFileIsAsLongAsItsPages(t *testing.T) {
	image, rooms := sample(t)
	end := int(sketchOf(t, image).head.get(56)) * 4096
	if s := refusal(t, image[:end-1], rooms); !strings.Contains(s, "bytes where") {
		t.Errorf("got %q", s)
	}
	if o := openDamaged(t, image[:end], rooms); o.refused || o.lost > 0 {
		t.Errorf("got %+v", o)
	}
}
