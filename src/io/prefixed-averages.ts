/** Separates weights and their moving averages in one flat dict by the prefixes of their names. */

export interface PrefixedAverages {
  /** The prefix of the averages' names, including its dot: `model_ema.`. */
  readonly averages: string
  /** The prefix of the raw weights' names; empty if they have none in common. */
  readonly raw: string
}

/** Is it a key of averages, such as state_dict_ema, model_ema, ema or ema_model? */
export const isAveraged = (path: string): boolean => /(^|[^A-Za-z])ema([^a-z]|$)|Ema([^a-z]|$)|EMA/.test(path)

/** The prefixes; null if there are names of one kind only, or if the supposed averages belong to other tensors. */
export const prefixedAverages = (names: readonly string[]): PrefixedAverages | null => {
  const prefixes = new Set(names.map(prefixOf))
  const [averages, ...more] = [...prefixes].filter((prefix) => prefix !== '' && isAveraged(prefix.slice(0, -1)))
  if (averages === undefined || more.length > 0) return null
  const [theirs, ours] = [
    names.filter((name) => name.startsWith(averages)),
    names.filter((name) => !name.startsWith(averages)),
  ]
  if (
    !areOfSame(
      ours,
      theirs.map((name) => name.slice(averages.length)),
    )
  )
    return null
  prefixes.delete(averages)
  const [only = '', ...others] = prefixes
  const isWrapper = others.length === 0 && ours.every((name) => name.includes('.', only.length))
  return { averages, raw: isWrapper ? only : '' }
}

const prefixOf = (name: string): string => name.slice(0, name.indexOf('.') + 1)

/** Do both lists have the names of one network? Wrappers may have added prefixes. */
export const areOfSame = (raw: readonly string[], averages: readonly string[]): boolean => {
  const known = new Set(averages.flatMap((name) => [name, ...suffixes(name)]))
  return raw.some((name) => known.has(name) || suffixes(name).some((end) => known.has(end)))
}

/** `a.b.c.d` -> `b.c.d` and `c.d`: the name without one and without two wrappers. The last two parts belong to the network. */
const suffixes = (name: string): readonly string[] => {
  const parts = name.split('.')
  return [1, 2].filter((cut) => parts.length - cut >= 2).map((cut) => parts.slice(cut).join('.'))
}
