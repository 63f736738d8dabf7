/**
 * Converts names of other libraries' EfficientNets to effuse's. Each family is a function from the set of all names to a renaming. It needs the
 * whole set, because one name can mean different parts in different blocks (timm's `conv_pw`).
 */

/** The library whose names they are. */
export type Family = 'timm' | 'torchvision' | 'efficientnet-pytorch'

/** A tensor that every network of the family has and no other family has. */
const stems: { readonly [F in Family]: string } = {
  timm: 'conv_stem.weight',
  torchvision: 'features.0.0.weight',
  'efficientnet-pytorch': '_conv_stem.weight',
}
const familyNames = Object.keys(stems) as readonly Family[] // Object.keys does not keep the keys' type

/** A network among the names of a file. */
export interface NetworkPlace {
  readonly family: Family
  /** The prefix of its names: '', or one that DataParallel, torch.compile or an enclosing class adds, such as 'module.' or 'backbone.'. */
  readonly prefix: string
}

/** The networks in a file, found by their stems. */
export const networksIn = (names: Iterable<string>): readonly NetworkPlace[] =>
  [...names].flatMap((name) =>
    familyNames.flatMap((family) => {
      const prefix = name.endsWith(stems[family]) ? name.slice(0, -stems[family].length) : null
      return prefix === '' || prefix?.endsWith('.') === true ? [{ family, prefix }] : []
    }),
  )

/** Is it the counter that AveragedModel of torch.optim.swa_utils stores beside the weights? */
const isAverageCount = (name: string): boolean => /(?:^|\.)n_averaged$/.test(name)

/** The tensors of the network, by names without the prefix, and the names of all other tensors. */
export const splitAt = <T>(
  tensors: ReadonlyMap<string, T>,
  prefix: string,
): { readonly inside: ReadonlyMap<string, T>; readonly outside: readonly string[] } => {
  const entries = [...tensors].filter(([name]) => !isAverageCount(name))
  return {
    inside: new Map(
      entries.flatMap(([name, entry]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), entry] as const] : [],
      ),
    ),
    outside: entries.flatMap(([name]) => (name.startsWith(prefix) ? [] : [name])),
  }
}

/** effuse's name of a tensor; null if the tensor is known and not needed, undefined if it is unknown. */
export type Renaming = (name: string) => string | null | undefined

const leaves: { readonly [leaf: string]: { readonly [kind in 'conv' | 'bn']: string | null } } = {
  weight: { conv: 'kernel', bn: 'scale' },
  bias: { conv: 'bias', bn: 'offset' },
  running_mean: { conv: null, bn: 'mean' },
  running_var: { conv: null, bn: 'variance' },
}

/** `part` is the layer's path in effuse; its last name distinguishes norms from convolutions. */
const withLeaf = (part: string | undefined, leaf: string | undefined): string | undefined => {
  if (part === undefined || leaf === undefined) return undefined
  const last = leaves[leaf]?.[part.endsWith('/bn') ? 'bn' : 'conv']
  return last === undefined || last === null ? undefined : `${part}/${last}`
}

const timm = (names: ReadonlySet<string>): Renaming => {
  const top: { readonly [name: string]: string } = {
    conv_stem: 'stem/conv',
    bn1: 'stem/bn',
    conv_head: 'head/conv',
    bn2: 'head/bn',
    classifier: 'head/dense',
  }
  const expanded: { readonly [name: string]: string } = {
    conv_pw: 'expand/conv',
    bn1: 'expand/bn',
    conv_dw: 'depthwise/conv',
    bn2: 'depthwise/bn',
    conv_pwl: 'project/conv',
    bn3: 'project/bn',
  }
  const plain: { readonly [name: string]: string } = {
    conv_dw: 'depthwise/conv',
    bn1: 'depthwise/bn',
    conv_pw: 'project/conv',
    bn2: 'project/bn',
  }
  const squeeze: { readonly [name: string]: string } = { 'se.conv_reduce': 'se/reduce', 'se.conv_expand': 'se/expand' }
  const flat = flatBlocks(names, /^blocks\.(\d+)\.(\d+)\./)
  return (name) => {
    const block = /^blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)$/.exec(name)
    if (block === null) {
      const [layer = '', leaf] = name.split('.')
      return withLeaf(top[layer], leaf)
    }
    const [, stage = '', at = '', layer = '', leaf] = block
    const isExpanded = names.has(`blocks.${stage}.${at}.conv_pwl.weight`)
    const part = squeeze[layer] ?? (isExpanded ? expanded : plain)[layer]
    return part === undefined ? undefined : withLeaf(`blocks.${flat(stage, at)}/${part}`, leaf)
  }
}

const torchvision = (names: ReadonlySet<string>): Renaming => {
  const stages = [...names].flatMap((name) => /^features\.(\d+)\./.exec(name)?.[1] ?? []).map(Number)
  const last = Math.max(0, ...stages)
  const flat = flatBlocks(names, /^features\.(\d+)\.(\d+)\.block\./)
  const withExpansion = ['expand', 'depthwise', 'se', 'project']
  return (name) => {
    const outer = /^(?:features\.(\d+)\.([01])|classifier\.(1))\.(\w+)$/.exec(name)
    if (outer !== null) {
      const [, stage, layer, dense, leaf] = outer
      if (dense !== undefined) return withLeaf('head/dense', leaf)
      const end = Number(stage) === 0 ? 'stem' : Number(stage) === last ? 'head' : null
      return end === null ? undefined : withLeaf(`${end}/${layer === '0' ? 'conv' : 'bn'}`, leaf)
    }
    const block = /^features\.(\d+)\.(\d+)\.block\.(\d+)\.(\w+)\.(\w+)$/.exec(name)
    if (block === null) return undefined
    const [, stage = '', at = '', part = '', layer = '', leaf] = block
    const isExpanded = names.has(`features.${stage}.${at}.block.3.0.weight`)
    const role = withExpansion[Number(part) + (isExpanded ? 0 : 1)]
    const inner = role === 'se' ? { fc1: 'reduce', fc2: 'expand' }[layer] : { 0: 'conv', 1: 'bn' }[layer]
    return role === undefined || inner === undefined
      ? undefined
      : withLeaf(`blocks.${flat(stage, at)}/${role}/${inner}`, leaf)
  }
}

const efficientnetPytorch = (): Renaming => {
  const top: { readonly [name: string]: string } = {
    _conv_stem: 'stem/conv',
    _bn0: 'stem/bn',
    _conv_head: 'head/conv',
    _bn1: 'head/bn',
    _fc: 'head/dense',
  }
  const inner: { readonly [name: string]: string } = {
    _expand_conv: 'expand/conv',
    _bn0: 'expand/bn',
    _depthwise_conv: 'depthwise/conv',
    _bn1: 'depthwise/bn',
    _se_reduce: 'se/reduce',
    _se_expand: 'se/expand',
    _project_conv: 'project/conv',
    _bn2: 'project/bn',
  }
  return (name) => {
    const block = /^_blocks\.(\d+)\.(\w+)\.(\w+)$/.exec(name)
    if (block === null) {
      const [layer = '', leaf] = name.split('.')
      return withLeaf(top[layer], leaf)
    }
    const [, at = '', layer = '', leaf] = block
    const part = inner[layer]
    return part === undefined ? undefined : withLeaf(`blocks.${at}/${part}`, leaf)
  }
}

const families: { readonly [F in Family]: (names: ReadonlySet<string>) => Renaming } = {
  timm,
  torchvision,
  'efficientnet-pytorch': efficientnetPytorch,
}

/** The renaming of a family. Batch counters are not needed. */
export const renamingOf = (family: Family, names: ReadonlySet<string>): Renaming => {
  const rename = families[family](names)
  return (name) => (name.endsWith('.num_batches_tracked') ? null : rename(name))
}

/** The number of a block over all stages, from its stage and its position there. Stages are in numeric order. */
const flatBlocks = (names: ReadonlySet<string>, pattern: RegExp): ((stage: string, at: string) => number) => {
  const counts = new Map<number, number>()
  for (const name of names) {
    const match = pattern.exec(name)
    if (match === null) continue
    const [stage, at] = [Number(match[1]), Number(match[2])]
    counts.set(stage, Math.max(counts.get(stage) ?? 0, at + 1))
  }
  const starts = new Map<number, number>()
  let start = 0
  for (const [stage, count] of [...counts].sort(([a], [b]) => a - b)) {
    starts.set(stage, start)
    start += count
  }
  return (stage, at) => (starts.get(Number(stage)) ?? 0) + Number(at)
}
