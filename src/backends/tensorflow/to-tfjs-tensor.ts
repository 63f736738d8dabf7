/** Results as tensors of the user's tfjs. */
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import type { DType } from '../../ir/types.ts'
import type { HostArray } from '../backend.ts'
import { heldTensor } from '../common/held-tensors.ts'
import type { TensorHandle } from '../tfjs/to-tensor.ts'
import { TensorflowContext } from './context.ts'

/** The user's tfjs: `import * as tf from '@tensorflow/tfjs-core'`, or the value of `require('@tensorflow/tfjs-node')`. */
export interface UsersTfjs {
  engine(): {
    /** Null: not registered, or not started yet. */
    findBackend(name: string): object | null
    makeTensor(values: HostArray, shape: number[], dtype: TfjsDType, backend?: object): object
  }
}

type TfjsDType = 'float32' | 'int32' | 'bool'

const tfjsDtype = (dtype: DType): TfjsDType => (dtype === 'int32' || dtype === 'bool' ? dtype : 'float32')

export interface ToTfjsTensorOptions {
  /** The name of the tfjs backend that gets the tensor: 'cpu', 'wasm', 'webgpu', 'tensorflow'. Default: the one that is set. */
  readonly backend?: string | undefined
}

/**
 * A tf.Tensor with a copy of a result's values. The values are copied to the host once; tfjs takes them from there, because no backend of tfjs can read
 * the memory of the TensorFlow backend, not even tfjs-node. Half types become float32. The caller disposes of both.
 *
 * @throws EffuseError EF402 where the result is not of the backend tensorflow, or was disposed of; EF403 (`tf`); EF404 where tfjs has no such backend.
 * @example
 * const net = await compile(model, { backend: 'tensorflow' })
 * const { probabilities } = await net.run({ image })
 * const tensor = await toTfjsTensor<tf.Tensor2D>(probabilities, tf)
 */
export const toTfjsTensor = async <T extends TensorHandle = TensorHandle>(
  result: object,
  tf: UsersTfjs,
  { backend: name }: ToTfjsTensorOptions = {},
): Promise<T> => {
  const held = heldTensor(result)
  if (held === null || !(held.device instanceof TensorflowContext))
    throw new EffuseError({
      code: 'EF402',
      message: 'toTfjsTensor takes a result of the backend tensorflow that was not disposed of',
      hint: 'for other results: toTensor of effuse/tfjs, or tf.tensor(await result.data(), result.shape)',
    })
  const engine = engineOf(tf)
  const backend = name === undefined ? undefined : engine.findBackend(name)
  if (backend === null)
    throw new EffuseError({
      code: 'EF404',
      message: `tfjs has no backend "${name}" that runs`,
      hint: `import its package, and start it once: await tf.setBackend('${name}')`,
    })
  const { dtype, shape } = held.type
  const values = await held.read()
  return engine.makeTensor(values, [...shape], tfjsDtype(dtype), backend) as T // tfjs's Tensor class
}

const engineOf = (tf: unknown): ReturnType<UsersTfjs['engine']> => {
  if (typeof tf === 'object' && tf !== null && 'engine' in tf && typeof tf.engine === 'function') return tf.engine()
  throw new EffuseError({
    code: 'EF403',
    message: `the second argument of toTfjsTensor must be tfjs, got ${showGiven(tf)}`,
    hint: "import * as tf from '@tensorflow/tfjs-core', then toTfjsTensor(result, tf)",
  })
}
