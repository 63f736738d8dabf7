/** Weights and their moving averages in one flat dict, told apart by what their names begin with. */

export interface PrefixedAverages {
  /** What the averages' names begin with, its dot included: `model_ema.`. */
  readonly averages: string
  /** The same of the weights as they are; empty where they have nothing in common. */
  readonly raw: string
}

/** Keys such as state_dict_ema, model_ema, ema and ema_model. */
export const isAveraged = (path: string): boolean => /(^|[^A-Za-z])ema([^a-z]|$)|Ema([^a-z]|$)|EMA/.test(path)

/** Null where the names are of one kind, or where what looks like averages is of other tensors. */
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

/** Are two lists of names those of one network? Wrappers may put something before them. */
export const areOfSame = (raw: readonly string[], averages: readonly string[]): boolean => {
  const known = new Set(averages.flatMap((name) => [name, ...suffixes(name)]))
  return raw.some((name) => known.has(name) || suffixes(name).some((end) => known.has(end)))
}

/** `a.b.c.d` -> `b.c.d` and `c.d`: the names under one wrapper less, and under two. The last two parts are the network's own. */
const suffixes = (name: string): readonly string[] => {
  const parts = name.split('.')
  return [1, 2].filter((cut) => parts.length - cut >= 2).map((cut) => parts.slice(cut).join('.'))
}
