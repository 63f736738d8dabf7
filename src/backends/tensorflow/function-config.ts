/** What TensorFlow's graph optimiser may do with the functions of effuse. */
import { create, toBinary } from '@bufbuild/protobuf'
import { ConfigProtoSchema, RewriterConfig_Toggle } from './proto/tensorflow_pb.ts'

/** Without a number TensorFlow chooses one. */
export interface Threads {
  /** Threads of one op. */
  readonly intraOpParallelismThreads?: number
  /** Ops at the same time. */
  readonly interOpParallelismThreads?: number
}

/**
 * TensorFlow's graph optimiser processes a function only if its call has such a configuration. It fuses convolutions with bias and activation. Its
 * arithmetic simplification is off: it would turn (x * c) * d into x * (c * d), which differs where c * d overflows, and effuse has simplified the graph
 * already.
 */
const configOf = (threads: Threads): Uint8Array =>
  toBinary(
    ConfigProtoSchema,
    create(ConfigProtoSchema, {
      ...threads,
      graphOptions: {
        rewriteOptions: {
          constantFolding: RewriterConfig_Toggle.OFF,
          arithmeticOptimization: RewriterConfig_Toggle.OFF,
        },
      },
    }),
  )

/** For a call of a function in a context. */
export const functionConfig = configOf({})

/** For a session, which may have threads of its own (thread-pools.ts). */
export const sessionConfig = ({ intraOpParallelismThreads = 0 }: Threads): Uint8Array =>
  configOf({ intraOpParallelismThreads })
