/** Lists within messages, cut so that the message stays readable. */

const linesMax = 10

/** Each on an indented line of its own. If there are more than ten, the first nine and the number of the rest. */
export const listed = (lines: readonly string[]): string => {
  const shown =
    lines.length <= linesMax ? lines : [...lines.slice(0, linesMax - 1), `and ${lines.length - linesMax + 1} more`]
  return shown.map((line) => `\n  ${line}`).join('')
}

/** A list within a line: the first `most` words and the number of the rest; 'none' if there are no words. */
export const shortList = (words: readonly string[], most = 5): string => {
  if (words.length === 0) return 'none'
  const shown = words.slice(0, most).join(', ')
  return words.length > most ? `${shown} and ${words.length - most} more` : shown
}
