package protocol

import (
	"slices"

	"wschat/pkg/chat"
)

// What only programs can ask for, that invoke the function directly.
const (
	ExportUser = "exportUser"
	EraseUser  = "eraseUser"
)

// Export reads a request for the messages of a person. The person is known by user_id or, without one, by name.
func (f Frame) Export() (e chat.Export, err error) {
	if e.Of, err = f.subject(); err != nil {
		return e, err
	}
	if e.After, err = f.optionalString("after"); err != nil {
		return e, err
	}
	e.Ref, err = f.Ref()
	return e, err
}

// Erasure reads a request to erase a person. The person is known as in Export.
func (f Frame) Erasure() (e chat.Erasure, err error) {
	if e.Of, err = f.subject(); err != nil {
		return e, err
	}
	e.Ref, err = f.Ref()
	return e, err
}

func (f Frame) subject() (p chat.Person, err error) {
	if p.ID, err = f.optionalString("user_id"); err != nil || p.ID != "" {
		return p, err
	}
	name, err := f.optionalString("name")
	if err != nil || name == "" {
		return p, err
	}
	p.Name, err = chat.CanonicalUser(name)
	return p, err
}

// Exported makes {"export":…}: messages as in every frame, and where the next part begins.
func (Encoder) Exported(e chat.Exported) []byte {
	messages := make([]message, len(e.Messages))
	for i, m := range e.Messages {
		messages[i] = messageOf(m)
	}
	return slices.Concat([]byte(`{"export":`), encode(struct {
		Messages []message `json:"messages"`
		Looked   int       `json:"looked"`
		Next     string    `json:"next,omitempty"`
	}{messages, e.Looked, e.Next}), []byte(refField(e.Ref)+"}"))
}

// Erased makes {"erased":…}: what was erased so far, and whether that is all.
func (Encoder) Erased(e chat.Erased, ref string) []byte {
	return slices.Concat([]byte(`{"erased":`), encode(struct {
		Done        bool `json:"done"`
		Messages    int  `json:"messages"`
		Reactions   int  `json:"reactions"`
		Rules       int  `json:"rules"`
		Memberships int  `json:"memberships"`
		Rows        int  `json:"rows"`
		Damaged     int  `json:"damaged"`
		Looked      int  `json:"looked"`
	}(e)), []byte(refField(ref)+"}"))
}
