/**
 * The ops of TensorFlow that lowerings use. For each op: the names of its results, because references in a function have them, and the operand that each
 * type attribute belongs to. A test compares the table with the definitions in the library.
 */
interface TfOp {
  /** Names of the results. */
  readonly results: readonly string[]
  /** Type attributes, each with the operand whose element type it is. The caller sets attributes that belong to no operand. */
  readonly types: { readonly [attribute: string]: number }
}

const op = (results: string, types: TfOp['types'] = { T: 0 }): TfOp => ({ results: results.split(' '), types })
const reduction = op('output', { T: 0, Tidx: 1 })

export const tfOps = {
  Const: op('output', {}),
  Identity: op('output'),
  PlaceholderWithDefault: op('output', { dtype: 0 }),
  Cast: op('y', { SrcT: 0 }),
  Bitcast: op('output'),

  Abs: op('y'),
  Neg: op('y'),
  Sign: op('y'),
  Floor: op('y'),
  Ceil: op('y'),
  Rint: op('y'),
  Exp: op('y'),
  Expm1: op('y'),
  Log: op('y'),
  Log1p: op('y'),
  Sqrt: op('y'),
  Rsqrt: op('y'),
  Square: op('y'),
  Sin: op('y'),
  Cos: op('y'),
  Tanh: op('y'),
  Erf: op('y'),
  Sigmoid: op('y'),
  SigmoidGrad: op('z'),
  Softplus: op('activations'),
  Relu: op('activations'),
  Relu6: op('activations'),
  Elu: op('activations'),
  Selu: op('activations'),
  IsFinite: op('y'),
  IsNan: op('y'),
  LogicalNot: op('y', {}),
  LogicalAnd: op('z', {}),
  LogicalOr: op('z', {}),
  AddV2: op('z'),
  AddN: op('sum'),
  Sub: op('z'),
  Mul: op('z'),
  RealDiv: op('z'),
  TruncateDiv: op('z'),
  TruncateMod: op('z'),
  Pow: op('z'),
  Maximum: op('z'),
  Minimum: op('z'),
  BitwiseXor: op('z'),
  RightShift: op('z'),
  Equal: op('z'),
  NotEqual: op('z'),
  Less: op('z'),
  LessEqual: op('z'),
  Greater: op('z'),
  GreaterEqual: op('z'),
  SelectV2: op('output', { T: 1 }),
  BiasAdd: op('output'),

  Reshape: op('output', { T: 0, Tshape: 1 }),
  BroadcastTo: op('output', { T: 0, Tidx: 1 }),
  Transpose: op('y', { T: 0, Tperm: 1 }),
  StridedSlice: op('output', { T: 0, Index: 1 }),
  PadV2: op('output', { T: 0, Tpaddings: 1 }),
  ConcatV2: op('output', { T: 0 }),
  ReverseV2: op('output', { T: 0, Tidx: 1 }),
  GatherV2: op('output', { Tparams: 0, Tindices: 1, Taxis: 2 }),
  OneHot: op('output', { TI: 0, T: 2 }),
  Pack: op('output', { T: 0 }),
  Range: op('output', { Tidx: 0 }),

  Sum: reduction,
  Max: reduction,
  Min: reduction,
  Prod: reduction,
  Mean: reduction,
  All: op('output', { Tidx: 1 }),
  Any: op('output', { Tidx: 1 }),
  ArgMax: op('output', { T: 0, Tidx: 1 }),
  TopKV2: op('values indices'),

  MatMul: op('product'),
  BatchMatMulV2: op('output'),
  Conv2D: op('output'),
  Conv2DBackpropInput: op('output', { T: 1 }),
  Conv2DBackpropFilter: op('output'),
  DepthwiseConv2dNative: op('output'),
  DepthwiseConv2dNativeBackpropInput: op('output', { T: 1 }),
  DepthwiseConv2dNativeBackpropFilter: op('output'),
  MaxPool: op('output'),
  MaxPoolGrad: op('output'),
  AvgPool: op('output'),
  AvgPoolGrad: op('output', { T: 1 }),

  FusedBatchNormV3: op('y batch_mean batch_variance reserve_space_1 reserve_space_2 reserve_space_3', { T: 0, U: 1 }),
  FusedBatchNormGradV3: op('x_backprop scale_backprop offset_backprop reserve_space_4 reserve_space_5', { T: 0, U: 3 }),
  Softmax: op('softmax'),
  LogSoftmax: op('logsoftmax'),
  StatelessIf: op('output', { Tcond: 0 }),
  PartitionedCall: op('output', {}),
  StatelessRandomUniformFullIntV2: op('output', { Tshape: 0 }),
} as const satisfies { readonly [name: string]: TfOp }

export type TfOpName = keyof typeof tfOps
