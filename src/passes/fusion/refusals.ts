/** The reasons why two kernels are not fused, as data and as sentences. */
import type { FusionKind, TargetInfo } from '../../ir/target.ts'
import type { Node } from '../../ir/types.ts'

/** A rule and its figures. Unnamed numbers are positions of nodes (facts.ts). */
export type Refusal =
  | { readonly rule: 'view' }
  | { readonly rule: 'no kernel' }
  | { readonly rule: 'alone' }
  | { readonly rule: 'unsupported'; readonly kind: FusionKind }
  | { readonly rule: 'kinds'; readonly kinds: readonly [FusionKind, FusionKind] }
  | { readonly rule: 'gather'; readonly from: number; readonly to: number }
  | { readonly rule: 'packed'; readonly from: number; readonly to: number }
  | { readonly rule: 'repeated'; readonly node: number; readonly by: number; readonly times: number }
  | { readonly rule: 'chain'; readonly count: number; readonly multiplyAdds: number; readonly bytes: number }
  | { readonly rule: 'barrier'; readonly from: number; readonly to: number; readonly seconds: number }
  | { readonly rule: 'budget'; readonly what: string; readonly count: number; readonly most: number }
  | { readonly rule: 'cycle' }
  | { readonly rule: 'readers'; readonly count: number; readonly most: number }
  | { readonly rule: 'no gain'; readonly seconds: number; readonly fusedSeconds: number }

export type FusionRule = Refusal['rule']

/** `conv2d (blocks.1/expand/conv)`. */
export const nameOf = ({ op, path }: Node): string => (path === '' ? op : `${op} (${path})`)

/** The reason, as the continuation of "not fused with x: ". */
export const refusalText = (refusal: Refusal, nodes: readonly Node[], target: TargetInfo): string => {
  const name = (at: number): string => nameOf(nodes[at] as Node)
  const { fusionBudget, cost } = target
  switch (refusal.rule) {
    case 'view':
      return 'a reshape is a view of the same memory and needs no kernel'
    case 'no kernel':
      return 'one of the two has no kernel that can be part of a region'
    case 'alone':
      return 'an op that orders elements (topK) is a kernel of its own'
    case 'unsupported':
      return `${target.name} has no fused kernels of the kind ${refusal.kind}`
    case 'kinds':
      return `one kernel cannot have the loops of both a ${kindNames[refusal.kinds[0]]} and a ${kindNames[refusal.kinds[1]]}`
    case 'gather':
      return `${name(refusal.to)} may read any element of ${name(refusal.from)}, which must be in memory first`
    case 'packed':
      return `${name(refusal.from)} makes the right operand of ${name(refusal.to)}, which is packed in advance`
    case 'repeated':
      return `${name(refusal.node)} is slow, and ${name(refusal.by)} would compute it ${rounded(refusal.times)} times for each element`
    case 'chain':
      return `${refusal.count} contractions in one kernel must be small: ${millions(refusal.multiplyAdds)} multiply-adds and ${megabytes(refusal.bytes)}, where at most ${millions(fusionBudget.chain.multiplyAdds)} and ${megabytes(fusionBudget.chain.bytes)} are allowed`
    case 'barrier':
      return `${name(refusal.to)} must wait until all of ${name(refusal.from)} is complete, and the waiting work takes ${microseconds(refusal.seconds)}, more than the ${microseconds(cost.launchSeconds)} of a launch that it would save`
    case 'budget':
      return `the kernel would have ${refusal.count} ${refusal.what}, where ${refusal.most} are allowed`
    case 'cycle':
      return 'the kernel would depend on itself: other kernels read the first and are read by the second'
    case 'readers':
      return `${refusal.count} kernels read the value, more than ${refusal.most}, so it is computed once`
    case 'no gain':
      return `it takes ${microseconds(refusal.fusedSeconds)} as one kernel and ${microseconds(refusal.seconds)} as two`
  }
}

const kindNames: { readonly [K in FusionKind]: string } = {
  contraction: 'convolution or product',
  depthwise: 'depthwise convolution',
  window: 'pool',
  reduction: 'reduction',
  loop: 'loop',
  movement: 'movement',
  sort: 'sort',
}
const rounded = (x: number): string => String(Number(x.toPrecision(3)))
const microseconds = (seconds: number): string => `${rounded(seconds * 1e6)} µs`
const millions = (count: number): string => `${rounded(count / 1e6)} M`
const megabytes = (bytes: number): string => `${rounded(bytes / 1e6)} MB`
