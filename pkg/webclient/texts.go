package webclient

import (
	"encoding/json"
	"slices"
	"strings"
)

// textsFile has all words of the page: by section and key, a text in each language.
const textsFile = "texts.json"

// languages are those of the page. Each has its words in a module of its own, of which a browser loads one: another
// language makes no page heavier.
func languages() []string { return []string{"en", "ko", "de"} }

func textsPath(language string) string { return "/texts." + language + ".js" }

// languageOf returns the language whose words are served at a path.
func languageOf(p string) (language string, ok bool) {
	i := slices.IndexFunc(languages(), func(language string) bool { return textsPath(language) == p })
	if i < 0 {
		return "", false
	}
	return languages()[i], true
}

// texts returns the module with the words of a language.
func texts(language string) string {
	var sections map[string]map[string]map[string]string
	if err := json.Unmarshal(embedded(textsFile), &sections); err != nil {
		panic("webclient: " + textsFile + ": " + err.Error())
	}
	words := map[string]string{}
	for _, keys := range sections {
		for key, inLanguages := range keys {
			words[key] = inLanguages[language]
		}
	}
	var module strings.Builder
	module.WriteString("export default ")
	if err := json.NewEncoder(&module).Encode(words); err != nil {
		panic("webclient: " + err.Error()) // texts can be encoded
	}
	return module.String()
}
