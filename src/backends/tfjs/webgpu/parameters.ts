/**
 * Numbers that a program reads from its uniforms: sizes, strides, constants. Programs that differ only in these numbers share a pipeline. This saves
 * time, because pipelines are slow to make and a network has hundreds of shapes but only a few dozen kinds of programs.
 */
import type { DType } from '../../../ir/types.ts'
import { elementType } from '../../webgpu/wgsl/library.ts'

export interface Uniform {
  readonly type: 'int32' | 'float32'
  readonly data: number[]
}

export class Parameters {
  readonly values: Uniform[] = []

  /** A number as i32. */
  i(value: number): string {
    return this.#add('int32', value)
  }

  /** A number as u32. */
  u(value: number): string {
    return `u32(${this.#add('int32', value)})`
  }

  f(value: number): string {
    return this.#add('float32', value)
  }

  /** A constant of the dtype, as in memory. */
  constant(value: number, dtype: DType): string {
    return elementType(dtype) === 'i32' ? this.i(value) : this.f(value)
  }

  /** The declarations of the uniforms in tfjs's form. */
  get declarations(): string {
    return this.values.map(({ type }, at) => `p${at} : ${type === 'int32' ? 'i32' : 'f32'}, `).join('')
  }

  #add(type: Uniform['type'], value: number): string {
    this.values.push({ type, data: [value] })
    return `uniforms.p${this.values.length - 1}`
  }
}
