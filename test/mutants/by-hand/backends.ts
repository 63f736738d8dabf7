/** Lowerings of tfjs, views, and the memory planner. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const tfjs = ['test/backends/tfjs.test.ts', 'test/backends/tfjs-large.test.ts']
const memory = [
  'test/passes/memory/plan-memory.test.ts',
  'test/passes/memory/from-graph.test.ts',
  'test/backends/tfjs-memory.test.ts',
]

export const backendMutants: readonly Mutant[] = [
  ...mutantsOf('src/backends/tfjs/lower/elementwise.ts', tfjs, [
    ['less is less or equal', "lt: 'Less',", "lt: 'LessEqual',"],
    ['the sign of NaN is 0', "sign: unaryLoop(Math.sign, 'Sign')", "sign: unary('Sign')"],
    ['remainders have the sign of the divisor', "remainder: 'host'", "remainder: binary('Mod')"],
    [
      'tfjs-wasm loses NaN in a maximum',
      "if (planner.device.kind !== 'wasm' || a.type.dtype === 'int32') return binary",
      'return binary',
    ],
  ]),
  ...mutantsOf('src/backends/tfjs/lower/movement.ts', tfjs, [
    [
      'a reversed axis begins one after its end',
      '((x.shape[axis] ?? 1) - 1) * (strides[axis] ?? 0), 0)',
      '(x.shape[axis] ?? 1) * (strides[axis] ?? 0), 0)',
    ],
    ['axes of size 1 hide a transpose', 'axis > (moving[i - 1] ?? 0)', 'axis >= 0'],
  ]),
  ...mutantsOf(
    'src/backends/tfjs/fuse-tfjs.ts',
    ['test/passes/passes.test.ts', 'test/passes/goldens.test.ts', ...tfjs],
    [
      [
        'a result that others use is fused away',
        'uses?.length === 1 && !rootKeys(graph).has(key) ?',
        'uses?.length === 1 ?',
      ],
      ['a bias of another axis is fused', 'axes[0] === shape.length - 1 && ', ''],
    ],
  ),
  ...mutantsOf('src/passes/memory/arenas.ts', memory, [
    ['a hole that is too small is used', 'hole >= bytes &&', 'hole >= 0 &&'],
    [
      'overlapping lifetimes of buffers are ignored',
      '(lasts[i] as number) < first) continue',
      '(lasts[i] as number) <= first + 1) continue',
    ],
    ['conflicts are ignored', 'if (taken.has(arena)) continue', ''],
  ]),
]
