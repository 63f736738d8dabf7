/** Lists within messages: so long that the sentence around them is still in sight. */

const linesMax = 10

/** Each on a line of its own, indented; of more than ten, nine and how many more there are. */
export const listed = (lines: readonly string[]): string => {
  const shown =
    lines.length <= linesMax ? lines : [...lines.slice(0, linesMax - 1), `and ${lines.length - linesMax + 1} more`]
  return shown.map((line) => `\n  ${line}`).join('')
}

/** Within a line: the first so many words and how many more there are; 'none' of none. */
export const shortList = (words: readonly string[], most = 5): string => {
  if (words.length === 0) return 'none'
  const shown = words.slice(0, most).join(', ')
  return words.length > most ? `${shown} and ${words.length - most} more` : shown
}
