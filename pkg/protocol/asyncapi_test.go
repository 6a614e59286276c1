package protocol_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"wschat/pkg/chat"
	"wschat/pkg/route"
	"wschat/test/installed"
)

// A real parser reads the document. Tests in test/e2e hold its examples and schemas against real frames.
func TestTheAsyncAPIDocumentIsValid(t *testing.T) {
	installed.File(t, "node_modules/@asyncapi/parser")
	node := installed.Program(t, "node")
	out, err := exec.Command(node, filepath.Join(installed.Dir(), "asyncapi.mjs"), "asyncapi.yaml").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// document is what the tests read of asyncapi.yaml.
type document struct {
	Operations map[string]any
	Components struct {
		Messages map[string]struct {
			Payload struct {
				Required []string
			}
		}
		Schemas map[string]struct {
			Enum []string
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func asyncAPI(t *testing.T) (d document) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readFile(t, "asyncapi.yaml")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The table of codes is what the authors of clients read, and what client.js does.
func TestEveryCodeIsDocumented(t *testing.T) {
	var codes, passing []string
	readme := readFile(t, "README.md")
	for _, row := range chat.Codes() {
		codes = append(codes, string(row.Code))
		again := map[chat.Retry]string{
			chat.Never: "no", chat.Later: "after a pause", chat.SameID: "with its id", chat.Renewed: "with a new token",
		}[row.Retry]
		if want := fmt.Sprintf("\n| `%s` | %s | %s |\n", row.Code, row.Meaning, again); !strings.Contains(readme,
			want) {
			t.Errorf("README.md has no row%s", want)
		}
		if row.Retry == chat.Later || row.Retry == chat.SameID {
			passing = append(passing, string(row.Code))
		}
	}
	documented := asyncAPI(t).Components.Schemas["Code"].Enum
	if slices.Sort(documented); !slices.Equal(documented, slices.Sorted(slices.Values(codes))) {
		t.Errorf("asyncapi.yaml lists the codes %q, want %q", documented, codes)
	}
	set := regexp.MustCompile(`const PASSING = new Set\(\[(.*)\]\);`).FindStringSubmatch(readFile(t,
		"../webclient/files/client.js"))
	if set == nil {
		t.Fatal("client.js has no set PASSING")
	}
	retried := strings.Split(strings.ReplaceAll(set[1], `"`, ""), ", ")
	if slices.Sort(retried); !slices.Equal(retried, slices.Sorted(slices.Values(passing))) {
		t.Errorf("client.js retries after %q, want %q", retried, passing)
	}
}

// An action that the router takes is in both documents, and so is every kind of frame that clients receive.
func TestEveryActionIsDocumented(t *testing.T) {
	d, readme := asyncAPI(t), readFile(t, "README.md")
	for _, action := range route.Actions() {
		if d.Operations[action] == nil {
			t.Errorf("asyncapi.yaml has no operation %s", action)
		}
		if !strings.Contains(readme, "\n| `"+action+"` |") || !strings.Contains(readme, "\n**`"+action+"`**") {
			t.Errorf("README.md has no row and no paragraph on %s", action)
		}
	}
	for _, kind := range []string{"Messages", "Changes", "Members", "Presence", "Pong", "Error"} {
		m, ok := d.Components.Messages[kind]
		key := strings.ToLower(kind)
		if !ok || !slices.Contains(m.Payload.Required, key) {
			t.Errorf("asyncapi.yaml has no message %s with the key %s", kind, key)
		}
		if !strings.Contains(readme, "\n### "+key+"\n") {
			t.Errorf("README.md has no section on %s", key)
		}
	}
}

// The table of rights in the README is that by which the code decides.
func TestTheTableOfRightsIsInTheReadme(t *testing.T) {
	table := rightsTable()
	if !strings.Contains(readFile(t, "README.md"), "\n"+table) {
		t.Errorf("README.md has not the table of rights, which is:\n%s", table)
	}
	var inTable []string
	for _, right := range chat.Rights() {
		inTable = append(inTable, string(right.Action))
	}
	if slices.Sort(inTable); !slices.Equal(inTable, route.Actions()) {
		t.Errorf("the table of rights has %q, and the router %q", inTable, route.Actions())
	}
}

func rightsTable() string {
	var table strings.Builder
	table.WriteString("| action |")
	for _, role := range chat.Roles() {
		fmt.Fprintf(&table, " %s |", role)
	}
	table.WriteString("\n|" + strings.Repeat(" --- |", 1+len(chat.Roles())) + "\n")
	for _, right := range chat.Rights() {
		fmt.Fprintf(&table, "| `%s` |", right.Action)
		for _, role := range chat.Roles() {
			switch own := role.Reaches(right.Own); {
			case own && right.Others != "" && role.Reaches(right.Others):
				table.WriteString(" yes+ |")
			case own:
				table.WriteString(" yes |")
			default:
				table.WriteString(" |")
			}
		}
		table.WriteString("\n")
	}
	return table.String()
}
