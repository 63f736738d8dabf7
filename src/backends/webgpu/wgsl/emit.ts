/**
 * A phase of a kernel as a WGSL shader. Made from the kernel, not from its loops: loops say in which order one thread visits the points, and here each
 * invocation has a tile of them. What is computed for a point is the same description that WebAssembly is made of.
 *
 * WGSL may assume that no NaN and no infinity occurs, may round to the next number and flush subnormals. So NaN is told by its bits, and no op is
 * promised to the bit. There is no float64. Half types are not stored yet.
 */
import { EffuseError } from '../../../ir/diagnostics.ts'
import { elements, showType } from '../../../ir/types.ts'
import type { Kernel, KernelBuffer, Phase } from '../../codegen/kernel/kernel.ts'
import { PhaseWriter } from './phase-writer.ts'
import { calledBy, elementType } from './library.ts'
import { type WgslSchedule, tilesOf, wgslScheduleOf, workgroupsMax, workgroupsOf } from './schedule.ts'

export interface WgslPhase {
  readonly code: string
  /** Of the binding with the same number, in group 0. */
  readonly bindings: readonly { readonly buffer: number; readonly access: 'read' | 'read_write' }[]
  readonly workgroups: readonly [number, number]
}

/** The shaders of a kernel, to be run one after another. @throws EffuseError EF405 where WGSL has no form of something yet */
export const emitWgsl = (
  kernel: Kernel,
  scheduleOf: (phase: Phase) => WgslSchedule = wgslScheduleOf,
): readonly WgslPhase[] => kernel.phases.map((phase) => emitPhase(phase, kernel.buffers, scheduleOf(phase)))

const emitPhase = (phase: Phase, buffers: readonly KernelBuffer[], schedule: WgslSchedule): WgslPhase => {
  const written = new Set(phase.stores.map(({ buffer }) => buffer))
  const read = new Set(phase.exprs.flatMap((expr) => (expr.kind === 'load' ? [expr.buffer] : [])))
  const used = [...new Set([...read, ...written])].sort((a, b) => a - b)
  const bindings = used.map((buffer) => ({ buffer, access: written.has(buffer) ? 'read_write' : 'read' }) as const)
  const declarations = bindings.map(({ buffer, access }, binding) => {
    const { dtype, shape } = buffers[buffer] as KernelBuffer // verified
    if (dtype === 'float16' || dtype === 'bfloat16')
      throw new EffuseError({
        code: 'EF405',
        message: `expected float32, int32 or bool in a shader, got buffer ${buffer} of ${showType({ dtype, shape })}`,
      })
    return `@group(0) @binding(${binding}) var<storage, ${access}> b${buffer} : array<${elementType(dtype)}, ${elements(shape)}>;`
  })
  const body = new PhaseWriter(phase, buffers, schedule).write()
  const code = [prelude, calledBy(body), ...declarations, mainOf(phase, schedule, body)].filter((part) => part !== '')
  return { code: `${code.join('\n')}\n`, bindings, workgroups: workgroupsOf(phase, schedule) }
}

/** NaN and infinity have no literals, and an expression of constants may not give them: their bits are in variables. */
const prelude = `struct Uniforms { NAN : f32, INFINITY : f32 }
var<private> nanBits : u32 = 0x7fc00000u;
var<private> infinityBits : u32 = 0x7f800000u;
var<private> uniforms : Uniforms;
fn isnan(x : f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`

const mainOf = (phase: Phase, schedule: WgslSchedule, body: string): string => {
  const tiles = tilesOf(phase, schedule)
  const [, second] = workgroupsOf(phase, schedule)
  const group = second === 1 ? 'group.x' : `(group.x + group.y * ${workgroupsMax}u)`
  return `@compute @workgroup_size(${schedule.workgroupSize})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) local : u32) {
  let tile = i32(${group} * ${schedule.workgroupSize}u + local);
  if (tile >= ${elements(tiles)}) { return; }
  uniforms = Uniforms(bitcast<f32>(nanBits), bitcast<f32>(infinityBits));
${body}
}`
}
