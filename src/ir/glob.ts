/** Path globs, everywhere the same: `*` within a part, `**` across parts, `!` in front negates. */

/**
 * A filter for names. Several globs: a name passes if the last one that matches it is not negated; a list that starts with a negation starts from all.
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
