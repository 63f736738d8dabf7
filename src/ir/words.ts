/** Suggestions as messages have them. */

/** `did you mean "word"?` where a known word is near, undefined where none is: a guess from afar misleads. */
export const didYouMean = (word: string, known: readonly string[], quote: '"' | '' = '"'): string | undefined => {
  let best: { readonly word: string; readonly distance: number } | null = null
  for (const candidate of known) {
    const longest = Math.max(word.length, candidate.length)
    const distanceMax = Math.max(1, Math.floor(longest / 3))
    // No distance is less than that of the lengths. Names from files may be of any length, and the work is their product.
    if (Math.abs(word.length - candidate.length) > distanceMax || longest > lengthMax) continue
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance <= distanceMax && (best === null || distance < best.distance)) best = { word: candidate, distance }
  }
  return best === null ? undefined : `did you mean ${quote}${best.word}${quote}?`
}

/** Nobody mistypes one letter in so many. */
const lengthMax = 1000

/** Letters that are missing, surplus or others, and neighbours that changed places: each counts 1. */
const editDistance = (a: string, b: string): number => {
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (before[j - 2] ?? 0) + 1 : Infinity,
        ),
      )
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
