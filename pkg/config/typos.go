package config

// Typos returns how many typing errors make one word of another: letters that were left out, added, changed, or
// swapped with the next one. (It is the optimal string alignment distance.) It counts bytes.
func Typos(word, other string) int {
	// Row i of the table has the typos between the first i bytes of word and each beginning of other.
	rows := make([][]int, len(word)+1)
	for i := range rows {
		rows[i] = make([]int, len(other)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
				continue
			case word[i-1] == other[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j], rows[i][j-1], rows[i-1][j-1])
			}
			if i > 1 && j > 1 && word[i-1] == other[j-2] && word[i-2] == other[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(word)][len(other)]
}
