package webclient

import (
	"encoding/json"
	"fmt"
)

// textsFile has all words of the page: by section and key, a text in each language.
const textsFile = "texts.json"

// texts returns the modules with the words, one for each language, by path. A browser loads one of them: another
// language makes no page heavier.
func texts() map[string]string {
	raw, err := files.ReadFile("files/" + textsFile)
	if err != nil {
		panic("webclient: " + err.Error()) // it is embedded
	}
	var sections map[string]map[string]map[string]string
	if err := json.Unmarshal(raw, &sections); err != nil {
		panic("webclient: " + textsFile + ": " + err.Error())
	}
	languages := map[string]map[string]string{}
	for _, keys := range sections {
		for key, inLanguages := range keys {
			for language, text := range inLanguages {
				if languages[language] == nil {
					languages[language] = map[string]string{}
				}
				languages[language][key] = text
			}
		}
	}
	modules := map[string]string{}
	for language, words := range languages {
		body, err := json.Marshal(words)
		if err != nil {
			panic("webclient: " + err.Error()) // texts can be encoded
		}
		modules[fmt.Sprintf("/texts.%s.js", language)] = "export default " + string(body) + ";\n"
	}
	return modules
}
