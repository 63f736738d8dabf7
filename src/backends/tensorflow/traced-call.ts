/** A call of a lowered graph that records the time of each kernel, for profile(). */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { attr } from './attributes.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { sessionConfig } from './function-config.ts'
import type { LoweredGraph } from './lower-graph.ts'
import {
  type AttrValue,
  AttrValueSchema,
  type DataType,
  FunctionDefLibrarySchema,
  GraphDefSchema,
  NodeDefSchema,
  type NodeExecStats,
  RunMetadataSchema,
  RunOptions_TraceLevel,
  RunOptionsSchema,
  VersionDefSchema,
} from './proto/tensorflow_pb.ts'
import type { Output, SessionApi } from './session-api.ts'

export interface TracedResults {
  /** Handles, which the caller owns. */
  readonly results: readonly Pointer[]
  readonly stats: readonly NodeExecStats[]
}

/** The version of graphs that TensorFlow 2.9 writes. It is the oldest version that effuse supports. */
const graphVersion = 1087

/** A graph with placeholders `in0` …, and the node `call`, which calls the function with them. */
const graphOf = ({ functions, name }: LoweredGraph): Uint8Array => {
  const signature = functions.at(-1)?.signature
  const inputs = signature?.inputArg ?? []
  const types = (args: readonly { readonly type: DataType }[]): AttrValue =>
    create(AttrValueSchema, { value: { case: 'list', value: { type: args.map(({ type }) => type) } } })
  const placeholders = inputs.map(({ type }, at) =>
    create(NodeDefSchema, {
      name: `in${at}`,
      op: 'Placeholder',
      attr: { dtype: create(AttrValueSchema, { value: { case: 'type', value: type } }) },
    }),
  )
  const call = create(NodeDefSchema, {
    name: 'call',
    op: 'PartitionedCall',
    input: placeholders.map((placeholder) => placeholder.name),
    attr: { Tin: types(inputs), Tout: types(signature?.outputArg ?? []), f: attr.func(name) },
  })
  return toBinary(
    GraphDefSchema,
    create(GraphDefSchema, {
      versions: create(VersionDefSchema, { producer: graphVersion }),
      library: create(FunctionDefLibrarySchema, { function: [...functions] }),
      node: [...placeholders, call],
    }),
  )
}

/** Runs the function twice, because in the first run TensorFlow also plans and creates kernels. The function has no state. @throws TensorflowFailure */
export const tracedCall = async (
  context: TensorflowContext,
  lowered: LoweredGraph,
  operands: readonly Pointer[],
  resultCount: number,
): Promise<TracedResults> => {
  const { api } = context
  const session = api.session()
  const close: (() => void)[] = []
  const owned = (pointer: Pointer, free: (pointer: Pointer) => void): Pointer => {
    close.unshift(() => free(pointer))
    return pointer
  }
  try {
    const buffer = (bytes: Uint8Array): Pointer =>
      owned(session.newBufferFromString(bytes, bytes.length), (made) => api.deleteBuffer(made))
    const graph = owned(session.newGraph(), (made) => session.deleteGraph(made))
    const opened = openSession(context, session, graph, buffer(graphOf(lowered)), owned)
    const outputOf = (name: string, index: number): Output => ({
      oper: session.graphOperationByName(graph, name),
      index,
    })
    const inputs = operands.map((_, at) => outputOf(`in${at}`, 0))
    const outputs = Array.from({ length: resultCount }, (_, index) => outputOf('call', index))
    const tensors = operands.map((handle) => owned(context.resolve(handle), (tensor) => api.deleteTensor(tensor)))
    const options = buffer(
      toBinary(RunOptionsSchema, create(RunOptionsSchema, { traceLevel: RunOptions_TraceLevel.FULL_TRACE })),
    )
    const runOnce = async (): Promise<{ readonly values: readonly Pointer[]; readonly metadata: Pointer }> => {
      const metadata = owned(api.newBuffer(), (made) => api.deleteBuffer(made))
      const results = new Array<Pointer | null>(resultCount).fill(null)
      await context.withStatus((status) =>
        session.run({ session: opened, options, inputs, tensors, outputs, results, metadata, status }),
      )
      // A run without an error fills all of them.
      return { values: results.map((value) => owned(value as Pointer, (made) => api.deleteTensor(made))), metadata }
    }
    await runOnce()
    const { values, metadata } = await runOnce()
    const { stepStats } = fromBinary(RunMetadataSchema, api.bufferBytes(metadata))
    return {
      results: values.map((value) => context.handleOf(value)),
      stats: stepStats?.devStats.flatMap(({ nodeStats }) => nodeStats) ?? [],
    }
  } finally {
    for (const free of close) free()
  }
}

const openSession = (
  context: TensorflowContext,
  session: SessionApi,
  graph: Pointer,
  definition: Pointer,
  owned: (pointer: Pointer, free: (pointer: Pointer) => void) => Pointer,
): Pointer => {
  const imports = owned(session.newImportGraphDefOptions(), (made) => session.deleteImportGraphDefOptions(made))
  context.checked((status) => session.graphImportGraphDef(graph, definition, imports, status))
  const options = owned(session.newSessionOptions(), (made) => session.deleteSessionOptions(made))
  const config = sessionConfig(context.threads)
  context.checked((status) => session.setConfig(options, config, config.length, status))
  const opened = context.checked((status) => session.newSession(graph, options, status))
  return owned(opened, (made) => {
    context.checked((status) => session.closeSession(made, status))
    context.checked((status) => session.deleteSession(made, status))
  })
}
