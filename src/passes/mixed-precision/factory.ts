/** The pass by name, `amp{dtype=float16, keep=["head/**"]}`, for the command line and reproducers. */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { PassFactory } from '../pass-factory.ts'
import { amp } from './amp.ts'
import { ampFault, type AmpOptions } from './options.ts'

export const ampFactory: PassFactory = {
  name: 'amp',
  options: {
    dtype: 'float16 (default) or bfloat16',
    strategy: 'minCut (default) or tensorflow',
    allow: 'names of ops, a list',
    deny: 'names of ops, a list',
    keep: 'globs of paths that stay float32, a list',
    followAllow: 'true: the strategy tensorflow as of 2.21',
    strict: 'true: casts round, whatever a kernel could keep',
  },
  make: (options) => {
    const fault = ampFault(options)
    if (fault !== null) throw new EffuseError({ code: 'EF302', ...fault })
    return amp(options as AmpOptions) // checked
  },
}
