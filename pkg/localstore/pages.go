package localstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The format of bbolt's files, in the machine's byte order; see page.go, meta.go and bucket.go in
// https://github.com/etcd-io/bbolt/tree/v1.5.0/internal/common.
//
//	page:    id 8, flags 2, count 2, overflow 4 (pages that belong to it), then its elements
//	meta:    magic 4, version 4, page size 4, flags 4, root bucket 16, free list 8, pages in use 8, transaction 8,
//	         checksum 8
//	branch:  per element: position 4 (from the element on), key size 4, page 8; then the keys
//	leaf:    per element: flags 4, position 4, key size 4, value size 4; then keys and values
//	free:    the ids of free pages, 8 each; where the count is 0xffff, the first is the count
//	bucket:  root page 8, sequence 8; where the root is 0, a leaf page without other buckets follows
const (
	pageHeader = 16
	element    = 16
	bucketSize = 16
	metaBytes  = 64
	headBytes  = pageHeader + metaBytes

	flagBranch = 0x01
	flagLeaf   = 0x02
	flagMeta   = 0x04
	flagFree   = 0x10

	leafBucket = 0x01

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	countIsIn   = 0xffff
)

// meta is the head of a file.
type meta struct {
	pageSize              int64
	root, free, pages, tx uint64
}

// tree reads the pages of a file, each once.
type tree struct {
	file io.ReaderAt
	meta
	seen []bool // by page
}

// checkPages reads all pages of a file that are in use, and checks whatever bbolt relies on: both meta pages, the list
// of free pages, that each page is used once or free, and that keys and values lie inside their page, next to each
// other and in order. It reads nothing that the file does not have.
func checkPages(file io.ReaderAt, size int64) error {
	m, err := newestMeta(file, size)
	if err != nil {
		return err
	}
	if m.pageSize < 512 || m.pages < 4 || m.pages > uint64(size/m.pageSize) {
		return fmt.Errorf("it has %d bytes where %d pages of %d belong", size, m.pages, m.pageSize)
	}
	t := &tree{file, m, make([]bool, m.pages)}
	t.seen[0], t.seen[1] = true, true
	if err := t.checkPage(m.root, bounds{}, true); err != nil {
		return err
	}
	return t.checkFree()
}

// newestMeta returns the meta page of the last transaction. That one of them is damaged is an error: it may be the
// newer, and a message of the last transaction would be forgotten and its index given to another.
func newestMeta(file io.ReaderAt, size int64) (newest meta, err error) {
	first, err := readMeta(file, 0)
	if err != nil {
		return meta{}, err
	}
	second, err := readMeta(file, first.pageSize)
	if err != nil {
		return meta{}, err
	}
	if first.pageSize != second.pageSize {
		return meta{}, errors.New("its first two pages contradict each other")
	}
	if second.tx > first.tx {
		return second, nil
	}
	return first, nil
}

func readMeta(file io.ReaderAt, at int64) (meta, error) {
	b := make([]byte, headBytes)
	if _, err := file.ReadAt(b, at); err != nil {
		return meta{}, errors.New("it is too short")
	}
	order := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[pageHeader : headBytes-8]) // a hash returns no error
	if order.Uint16(b[8:]) != flagMeta || order.Uint64(b) != min(uint64(at), 1) ||
		order.Uint32(b[16:]) != metaMagic || order.Uint32(b[20:]) != metaVersion ||
		order.Uint64(b[72:]) != sum.Sum64() {
		return meta{}, errors.New("it does not begin as a data file does")
	}
	return meta{
		pageSize: int64(order.Uint32(b[24:])),
		root:     order.Uint64(b[32:]), free: order.Uint64(b[48:]), pages: order.Uint64(b[56:]),
		tx: order.Uint64(b[64:]),
	}, nil
}

// page is one page with those that belong to it.
type page struct {
	id           uint64
	flags, count int
	bytes        []byte
}

// read reads a page, which must not have been read before.
func (t *tree) read(id uint64) (page, error) {
	if id >= t.pages {
		return page{}, fmt.Errorf("page %d of %d is referred to", id, t.pages)
	}
	header := make([]byte, pageHeader)
	if _, err := t.file.ReadAt(header, int64(id)*t.pageSize); err != nil {
		return page{}, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(binary.NativeEndian.Uint32(header[12:]))
	if more >= t.pages-id || binary.NativeEndian.Uint64(header) != id {
		return page{}, fmt.Errorf("page %d has a wrong header", id)
	}
	for i := id; i <= id+more; i++ {
		if t.seen[i] {
			return page{}, fmt.Errorf("page %d is used twice", i)
		}
		t.seen[i] = true
	}
	b := make([]byte, int64(more+1)*t.pageSize)
	if _, err := t.file.ReadAt(b, int64(id)*t.pageSize); err != nil {
		return page{}, fmt.Errorf("page %d: %w", id, err)
	}
	return pageIn(id, b), nil
}

func pageIn(id uint64, b []byte) page {
	return page{id, int(binary.NativeEndian.Uint16(b[8:])), int(binary.NativeEndian.Uint16(b[10:])), b}
}

// bounds are the least key that a page may hold, and the least that is too great; nil if there is none.
type bounds struct{ from, to []byte }

// checkPage checks a page and all below it. A bucket's first page, its root, may be a leaf without rows.
func (t *tree) checkPage(id uint64, within bounds, isRoot bool) error {
	p, err := t.read(id)
	if err != nil {
		return err
	}
	switch {
	case p.count == 0 && (p.flags != flagLeaf || !isRoot):
		return fmt.Errorf("page %d is empty", id)
	case p.flags == flagLeaf:
		err = t.checkLeaf(p, within, true)
	case p.flags == flagBranch:
		err = t.checkBranch(p, within)
	default:
		return fmt.Errorf("page %d has the flags %x", id, p.flags)
	}
	return err
}

func (t *tree) checkBranch(p page, within bounds) error {
	entries, _, err := p.entries(within)
	if err != nil {
		return err
	}
	for i, e := range entries {
		below := bounds{e.key, within.to}
		if i+1 < len(entries) {
			below.to = entries[i+1].key
		}
		if err := t.checkPage(e.page, below, false); err != nil {
			return err
		}
	}
	return nil
}

func (t *tree) checkLeaf(p page, within bounds, mayHaveBuckets bool) error {
	entries, _, err := p.entries(within)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case e.flags == 0:
		case e.flags == leafBucket && mayHaveBuckets:
			if err := t.checkBucket(e.value); err != nil {
				return fmt.Errorf("page %d, bucket %q: %w", p.id, e.key, err)
			}
		default:
			return fmt.Errorf("page %d has an element with the flags %x", p.id, e.flags)
		}
	}
	return nil
}

// checkBucket checks the bucket in a leaf's value.
func (t *tree) checkBucket(value []byte) error {
	if len(value) < bucketSize {
		return errors.New("it is too short")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		if len(value) != bucketSize {
			return errors.New("it is too long")
		}
		return t.checkPage(root, bounds{}, true)
	}
	inside := value[bucketSize:]
	if len(inside) < pageHeader {
		return errors.New("it is too short")
	}
	p := pageIn(0, inside)
	if p.flags != flagLeaf || binary.NativeEndian.Uint64(inside) != 0 || binary.NativeEndian.Uint32(inside[12:]) != 0 {
		return errors.New("the page in it has a wrong header")
	}
	if _, end, err := p.entries(bounds{}); err == nil && end != len(inside) {
		return errors.New("the page in it has a wrong length")
	}
	return t.checkLeaf(p, bounds{}, false)
}

// entry is an element of a page, with its key.
type entry struct {
	flags uint32 // of a leaf's
	page  uint64 // of a branch's
	key   []byte
	value []byte // of a leaf's
}

// entries returns a page's elements and where their data ends. The data of each begins where that of the one before
// ends.
func (p page) entries(within bounds) (list []entry, end int, err error) {
	end = pageHeader + p.count*element
	if end > len(p.bytes) {
		return nil, 0, fmt.Errorf("page %d has %d elements", p.id, p.count)
	}
	least := within.from
	for i := range p.count {
		at := pageHeader + i*element
		var e entry
		var position, keySize, valueSize uint32
		word := func(n int) uint32 { return binary.NativeEndian.Uint32(p.bytes[at+4*n:]) }
		if p.flags == flagBranch {
			position, keySize, e.page = word(0), word(1), binary.NativeEndian.Uint64(p.bytes[at+8:])
		} else {
			e.flags, position, keySize, valueSize = word(0), word(1), word(2), word(3)
		}
		size := int64(keySize) + int64(valueSize)
		if int64(at)+int64(position) != int64(end) || keySize == 0 || size > int64(len(p.bytes)-end) {
			return nil, 0, fmt.Errorf("page %d: element %d lies outside its place", p.id, i)
		}
		e.key = p.bytes[end : end+int(keySize)]
		e.value = p.bytes[end+int(keySize) : end+int(size)]
		order := bytes.Compare(e.key, least)
		if least != nil && (order < 0 || i > 0 && order == 0) ||
			within.to != nil && bytes.Compare(e.key, within.to) >= 0 {
			return nil, 0, fmt.Errorf("page %d: key %d is not in order", p.id, i)
		}
		list, least, end = append(list, e), e.key, end+int(size)
	}
	return list, end, nil
}

// checkFree checks the list of free pages: together with the pages in use they are all.
func (t *tree) checkFree() error {
	p, err := t.read(t.free)
	if err != nil {
		return err
	}
	count, at := uint64(p.count), pageHeader
	if count == countIsIn {
		count, at = binary.NativeEndian.Uint64(p.bytes[at:]), at+8
	}
	if p.flags != flagFree || count > uint64(len(p.bytes)-at)/8 {
		return fmt.Errorf("page %d is no list of free pages", p.id)
	}
	for i := range int(count) {
		id := binary.NativeEndian.Uint64(p.bytes[at+8*i:])
		if id >= t.pages || t.seen[id] {
			return fmt.Errorf("page %d is free and in use", id)
		}
		t.seen[id] = true
	}
	for id, seen := range t.seen {
		if !seen {
			return fmt.Errorf("page %d is neither free nor in use", id)
		}
	}
	return nil
}
