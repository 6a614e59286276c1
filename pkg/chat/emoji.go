package chat

import (
	"slices"
	"unicode"
)

// What belongs to emoji (https://www.unicode.org/reports/tr51/).
const (
	emojiStyle = '\ufe0f' // after a character that is text by itself
	keycap     = '\u20e3' // around the character before it
	blackFlag  = '\U0001f3f4'
)

// textEmoji are the emoji that are text without emojiStyle: Emoji, but not Emoji_Presentation, of Unicode 17
// (https://www.unicode.org/Public/17.0.0/ucd/emoji/emoji-data.txt), without the keys of keycaps.
func textEmoji() string {
	return "©®‼⁉™ℹ↔↕↖↗↘↙↩↪⌨⏏⏭⏮⏯⏱⏲⏸⏹⏺Ⓜ▪▫▶◀◻◼☀☁☂☃☄☎☑☘☝☠☢☣☦☪☮☯☸☹☺♀♂♟♠♣♥♦♨♻♾⚒⚔⚕⚖⚗⚙⚛⚜⚠⚧" +
		"⚰⚱⛈⛏⛑⛓⛩⛰⛱⛴⛷⛸⛹✂✈✉✌✍✏✒✔✖✝✡✳✴❄❇❣❤➡⤴⤵⬅⬆⬇〰〽㊗㊙🅰🅱🅾🅿🈂🈷🌡🌤🌥🌦🌧🌨🌩🌪🌫🌬🌶🍽🎖🎗🎙🎚🎛🎞🎟🏋🏌🏍🏎🏔" +
		"🏕🏖🏗🏘🏙🏚🏛🏜🏝🏞🏟🏳🏵🏷🐿👁📽🕉🕊🕯🕰🕳🕴🕵🕶🕷🕸🕹🖇🖊🖋🖌🖍🖐🖥🖨🖱🖲🖼🗂🗃🗄🗑🗒🗓🗜🗝🗞🗡🗣🗨🗯🗳🗺🛋🛍🛎🛏🛠🛡🛢🛣🛤🛥🛩🛰🛳"
}

// joinedEmoji are the sequences that are one picture: between two elements, of which each is one of those listed,
// stands a joiner (https://www.unicode.org/Public/17.0.0/emoji/emoji-zwj-sequences.txt). Any other joiner between two
// emoji cannot be seen.
func joinedEmoji() [][]string {
	const (
		adult = "👨👩🧑"
		aid   = "🦯🦼🦽"
		moves = "🏃🚶🧎"
		sex   = "♀♂"
	)
	return [][]string{
		{adult, "⚕⚖✈🌾🍳🍼🎓🎤🎨🏫🏭💻💼🔧🔬🚀🚒🦰🦱🦲🦳" + aid}, {adult, aid, "➡"}, {"🧑", "🎄🩰"},
		{"⛹🏃🏄🏊🏋🏌👮👯👰👱👳👷💁💂💆💇🕵🙅🙆🙇🙋🙍🙎🚣🚴🚵🚶🤦🤵🤷🤸🤹🤼🤽🤾🦸🦹🧍🧎🧏🧔🧖🧗🧘🧙🧚🧛🧜🧝🧞🧟", sex},
		{moves, "➡"}, {moves, sex, "➡"},
		{"👩", "❤🤝🐰🫯", "👩"}, {"👩", "❤🤝", "👨"}, {"👨", "❤🤝🐰🫯", "👨"}, {"🧑", "❤🤝🐰🫯", "🧑"}, {"🫱", "🫲"},
		{"👩", "❤", "💋", "👩👨"}, {"👨", "❤", "💋", "👨"}, {"🧑", "❤", "💋", "🧑"},
		{"👨👩", "👦👧"}, {"👨👩", "👦", "👦"}, {"👨👩", "👧", "👦👧"},
		{"👨", "👨👩", "👦👧"}, {"👨", "👨👩", "👦", "👦"}, {"👨", "👨👩", "👧", "👦👧"},
		{"👩", "👩", "👦👧"}, {"👩", "👩", "👦", "👦"}, {"👩", "👩", "👧", "👦👧"},
		{"🧑", "🧒"}, {"🧑", "🧒", "🧒"}, {"🧑", "🧑", "🧒"}, {"🧑", "🧑", "🧒", "🧒"},
		{"🏳", "⚧🌈"}, {"🏴", "☠"}, {"👁", "🗨"}, {"⛓", "💥"}, {"❤🐦", "🔥"}, {"❤", "🩹"}, {"🙂", "↔↕"},
		{"😮", "💨"}, {"😵", "💫"}, {"😶", "🌫"}, {"🍄", "🟫"}, {"🍋", "🟩"}, {"🐈🐦", "⬛"}, {"🐕", "🦺"}, {"🐻", "❄"},
	}
}

// emojiAt reads the emoji that a text begins with, if it has more than one character. It returns the one spelling of it
// and how many characters it has in the text, 0 if there is none. The style of an emoji that has no other, and that
// of a part of a sequence, cannot be seen: some keyboards send it, and some do not.
func emojiAt(text []rune) (spelled []rune, length int) {
	if len(text) < 2 || !isOneOf("\ufe0f\u20e3\u200d🏻🏼🏽🏾🏿", text[1]) && text[0] != blackFlag {
		return nil, 0
	}
	if length := keycapAt(text); length > 0 {
		return []rune{text[0], emojiStyle, keycap}, length
	}
	if length := flagAt(text); length > 0 {
		return text[:length], length
	}
	first := elementAt(text)
	if spelled, length := joinedAt(text); length > 0 {
		return spelled, length
	}
	if first.length < 2 {
		return nil, 0
	}
	return first.spelled(first.styled), first.length
}

// keycapAt returns how many characters the keycap has that a text begins with, or 0.
func keycapAt(text []rune) int {
	if !isOneOf("#*0123456789", text[0]) {
		return 0
	}
	i := 1
	if text[i] == emojiStyle {
		i++
	}
	if i < len(text) && text[i] == keycap {
		return i + 1
	}
	return 0
}

// flagAt returns how many characters the flag of a region has, as far as there are pictures of it: England, Scotland,
// Wales. Of another region only the black flag is seen.
func flagAt(text []rune) int {
	const tag, end = '\U000e0000', '\U000e007f'
	for _, region := range []string{"gbeng", "gbsct", "gbwls"} {
		flag := []rune{blackFlag}
		for _, letter := range region {
			flag = append(flag, tag+letter)
		}
		flag = append(flag, end)
		if len(text) >= len(flag) && slices.Equal(text[:len(flag)], flag) {
			return len(flag)
		}
	}
	return 0
}

// element is one emoji, which can be a part of a sequence.
type element struct {
	base   rune
	text   bool // it is text without emojiStyle
	styled bool // it had emojiStyle
	tone   rune // the colour of the skin, 0 for none
	length int  // in characters
}

// elementAt reads the emoji that a text begins with. The length is 1 where the first character stands for itself.
func elementAt(text []rune) element {
	const takeTones = "☝✌✍⛹🏋🏌🕴🕵🖐" // among those that are text by themselves
	e := element{base: text[0], length: 1, text: isOneOf(textEmoji(), text[0])}
	isEmoji := e.text || unicode.In(e.base, unicode.So, unicode.Sk) && !isUnseen(e.base) || isOneOf("◽◾", e.base)
	if !isEmoji {
		return e
	}
	rest := text[1:]
	if len(rest) > 0 && rest[0] == emojiStyle {
		e.styled, e.length, rest = true, e.length+1, rest[1:]
	}
	isTone := len(rest) > 0 && rest[0] >= '🏻' && rest[0] <= '🏿'
	if isTone && (!e.text || isOneOf(takeTones, e.base)) {
		e.tone, e.length = rest[0], e.length+1
	}
	return e
}

// spelled is the element's one spelling, with the style if it is given and can be seen.
func (e element) spelled(styled bool) []rune {
	switch {
	case e.tone != 0:
		return []rune{e.base, e.tone}
	case e.text && styled:
		return []rune{e.base, emojiStyle}
	}
	return []rune{e.base}
}

// joinedAt reads the longest sequence of joinedEmoji that a text begins with, and returns what emojiAt does.
func joinedAt(text []rune) (spelled []rune, length int) {
	var bases, sequence []rune
	for i := 0; i < len(text); i++ { // past the joiner
		e := elementAt(text[i:])
		i += e.length
		bases, sequence = append(bases, e.base), append(sequence, e.spelled(true)...)
		if len(bases) > 1 && isJoined(bases) {
			spelled, length = slices.Clone(sequence), i
		}
		if i >= len(text) || text[i] != joiner {
			break
		}
		sequence = append(sequence, joiner)
	}
	return spelled, length
}

func isJoined(bases []rune) bool {
	return slices.ContainsFunc(joinedEmoji(), func(sequence []string) bool {
		return slices.EqualFunc(sequence, bases, isOneOf)
	})
}
