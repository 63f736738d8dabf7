/** Path globs for all of effuse: `*` matches within a part, `**` across parts; a leading `!` negates. */

/**
 * A filter for names. With several globs the last one that matches a name decides: the name passes unless that one is negated. A name that none
 * matches passes only if the first glob is negated.
 * @example globFilter(['blocks.*\/se/**', '!**\/bias'])('blocks.3/se/reduce/kernel') // true
 */
export const globFilter = (globs: string | readonly string[]): ((name: string) => boolean) => {
  const list = (typeof globs === 'string' ? [globs] : globs).map((glob) => ({
    isNegated: glob.startsWith('!'),
    pattern: globPattern(glob.replace(/^!/, '')),
  }))
  const start = list[0]?.isNegated ?? false
  return (name) => list.reduce((passes, { isNegated, pattern }) => (pattern.test(name) ? !isNegated : passes), start)
}

const globPattern = (glob: string): RegExp => {
  const source = glob.replace(/\*\*\/|\*\*|\*|[.+?^${}()|[\]\\]/g, (part) =>
    part === '**/' ? '(?:.*/)?' : part === '**' ? '.*' : part === '*' ? '[^/]*' : `\\${part}`,
  )
  return new RegExp(`^${source}$`)
}
