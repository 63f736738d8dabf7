/** Writes event files for TensorBoard with tfjs-node's summary writer. Node only. */
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileError } from '../../platform/node-file-error.ts'
import { importTfjsNode } from './tfjs-node.ts'

export interface SummaryWriter {
  readonly scalar: (name: string, value: number, step: number) => void
  /** Writes the buffered numbers to the file. */
  readonly flush: () => void
}

/** The part of tfjs-node's writer that is used. */
interface NodeWriter {
  scalar(name: string, value: number, step: number): void
  flush(): void
}

/** The parts of tfjs-core's engine that select the backend. */
interface Engine {
  backendName: string | null
  backendInstance: object | null
  readonly registry: { readonly [name: string]: object | undefined }
}

/** @throws EffuseError EF404 if tfjs-node or its binding is missing, EF501 if the folder cannot be created */
export const openSummaryWriter = async (folder: string): Promise<SummaryWriter> => {
  const tfjs = await importTfjsNode()
  const path = resolve(folder)
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    throw fileError(error, path, 'write')
  }
  const engine = tfjs.engine() as Engine // the fields are private in tfjs's type
  const writer = onNodeBackend(engine, () => tfjs.node.summaryFileWriter(path)) as NodeWriter // the module has no types here
  return {
    scalar: (name, value, step) => onNodeBackend(engine, () => writer.scalar(name, value, step)),
    flush: () => onNodeBackend(engine, () => writer.flush()),
  }
}

/**
 * Runs `work` with tfjs-node's backend set, because the writer makes tensors on the backend that is set. Then sets the user's backend again. `work` is
 * synchronous, so no other code runs in between.
 */
const onNodeBackend = <T>(engine: Engine, work: () => T): T => {
  const { backendName, backendInstance } = engine
  Object.assign(engine, { backendName: 'tensorflow', backendInstance: engine.registry['tensorflow'] })
  try {
    return work()
  } finally {
    Object.assign(engine, { backendName, backendInstance })
  }
}
