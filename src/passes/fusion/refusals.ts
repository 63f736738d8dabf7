/** Why two nodes are not in one kernel, as data and as sentences. */
import type { FusionKind } from '../../ir/target.ts'

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
