/** Files of events for TensorBoard, by tfjs-node's summary writer. Node only. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileError } from '../../platform/node-file-error.ts'
import { importTfjsNode } from './tfjs-node.ts'

export interface SummaryWriter {
  readonly scalar: (name: string, value: number, step: number) => void
  /** Writes what was buffered. */
  readonly flush: () => void
}

/** tfjs-node's writer, as far as it is used. */
interface NodeWriter {
  scalar(name: string, value: number, step: number): void
  flush(): void
}

/** The parts of tfjs-core's engine that say which backend computes. */
interface Engine {
  backendName: string | null
  backendInstance: object | null
  readonly registry: { readonly [name: string]: object | undefined }
}

/** @throws EffuseError EF404 where tfjs-node or its binding is missing, EF501 where the folder cannot be made */
export const openSummaryWriter = async (folder: string): Promise<SummaryWriter> => {
  const tfjs = await importTfjsNode()
  const path = resolve(folder)
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw fileError(error, path, 'write')
  }
  const engine = tfjs.engine() as Engine // the real type hides the fields
  const writer = onNodeBackend(engine, () => tfjs.node.summaryFileWriter(path)) as NodeWriter // a module of CommonJS
  return {
    scalar: (name, value, step) => onNodeBackend(engine, () => writer.scalar(name, value, step)),
    flush: () => onNodeBackend(engine, () => writer.flush()),
  }
}

/** The writer makes tensors on the backend that is set, and they must be tfjs-node's. The user's is back afterwards: nothing runs in between. */
const onNodeBackend = <T>(engine: Engine, work: () => T): T => {
  const { backendName, backendInstance } = engine
  Object.assign(engine, { backendName: 'tensorflow', backendInstance: engine.registry['tensorflow'] })
  try {
    return work()
  } finally {
    Object.assign(engine, { backendName, backendInstance })
  }
}
