// Command admin looks into a chat and takes part in it by hand: the one on this machine, or a deployed stage.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &admin{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	switch err := a.run(ctx, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp), ctx.Err() != nil && errors.Is(err, context.Canceled):
	case err != nil:
		fmt.Fprintln(os.Stderr, "admin:", err)
		os.Exit(1)
	}
}

// admin is one run of the command.
type admin struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	// flags that every command has
	stage string // of a deployed chat; "" for the one on this machine
	local string
	as    string
	asID  string
	json  bool

	chat *chat // found before the command runs
}

// command is something that can be done.
type command struct {
	name, args, meaning string
	least, most         int // how many arguments it takes
	flags               func(*flag.FlagSet)
	run                 func(ctx context.Context, args []string) error
}

// commands returns all of them.
func (a *admin) commands() []command {
	return []command{a.send(), a.tail(), a.rooms(), a.members(), a.ban(), a.export(), a.erase()}
}

// run finds the command and the chat, and does the one in the other.
func (a *admin) run(ctx context.Context, args []string) error {
	all := flag.NewFlagSet("admin", flag.ContinueOnError)
	a.addFlags(all)
	all.SetOutput(a.stderr)
	all.Usage = func() { a.usage(all) }
	if err := all.Parse(args); err != nil {
		return err
	}
	if all.NArg() == 0 {
		a.usage(all)
		return errors.New("give a command")
	}
	for _, c := range a.commands() {
		if c.name != all.Arg(0) {
			continue
		}
		rest, err := a.parse(c, all.Args()[1:])
		if err != nil {
			return err
		}
		if a.chat, err = a.find(ctx); err != nil {
			return err
		}
		return c.run(ctx, rest)
	}
	return fmt.Errorf("there is no command %q: see admin -h", all.Arg(0))
}

// parse reads a command's flags, which may stand among its arguments.
func (a *admin) parse(c command, args []string) (rest []string, err error) {
	set := flag.NewFlagSet(c.name, flag.ContinueOnError)
	a.addFlags(set)
	set.SetOutput(a.stderr)
	set.Usage = func() {
		fmt.Fprintf(a.stderr, "usage: admin %s %s\n  %s\n", c.name, c.args, c.meaning)
		set.PrintDefaults()
	}
	if c.flags != nil {
		c.flags(set)
	}
	for {
		if err := set.Parse(args); err != nil {
			return nil, err
		}
		if args = set.Args(); len(args) == 0 {
			break
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	if len(rest) < c.least || len(rest) > c.most {
		return nil, fmt.Errorf("usage: admin %s %s", c.name, c.args)
	}
	return rest, nil
}

// addFlags adds what every command has. What stands already stays: flags may come before the command and after it.
func (a *admin) addFlags(set *flag.FlagSet) {
	set.StringVar(&a.stage, "stage", a.stage,
		"the `STAGE` of a deployed chat, in the account and Region of your AWS profile")
	set.StringVar(&a.local, "local", cmp.Or(a.local, "http://127.0.0.1:8080"),
		"the `URL` of the chat on this machine, without -stage")
	set.StringVar(&a.as, "as", cmp.Or(a.as, "admin"), "the `NAME` to act under")
	set.StringVar(&a.asID, "as-id", a.asID, "the user's `ID` to act under, where people sign in")
	set.BoolVar(&a.json, "json", a.json, "print what the chat answers, a line of JSON for each frame")
}

func (a *admin) usage(set *flag.FlagSet) {
	fmt.Fprint(a.stderr, "usage: admin [flags] COMMAND …\n\n")
	for _, c := range a.commands() {
		fmt.Fprintf(a.stderr, "  %-34s %s\n", c.name+" "+c.args, c.meaning)
	}
	fmt.Fprint(a.stderr, "\nadmin COMMAND -h tells a command's own flags. All have:\n\n")
	set.PrintDefaults()
}

// print prints a line, with nothing in it that a terminal would obey, or that turns the direction of the text.
func (a *admin) print(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(a.stdout, strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, line))
}

// harmless is JSON whose texts have no control characters: the chat does not escape those beyond ASCII, which a
// terminal may obey.
func harmless(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		if r >= 0x7f && r < 0xa0 {
			b = fmt.Appendf(b, "\\u%04x", r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
