/** A cursor over little-endian bytes. It throws instead of reading past the end, and returns views, never copies. */

export class ByteReader {
  readonly bytes: Uint8Array
  /** Offset of the next byte, from the start of the file. */
  at: number
  private readonly view: DataView
  private readonly truncated: (wanted: number, at: number, what: string) => Error

  /** @param truncated Makes the error if fewer than `wanted` bytes are left at offset `at`. */
  constructor(bytes: Uint8Array, at: number, truncated: (wanted: number, at: number, what: string) => Error) {
    this.bytes = bytes
    this.at = at
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.truncated = truncated
  }

  get left(): number {
    return this.bytes.byteLength - this.at
  }

  /** Skips `count` bytes and returns the offset of the first. `what` names them in the error. */
  private step(count: number, what: string): number {
    const at = this.at
    if (count > this.left) throw this.truncated(count, at, what)
    this.at = at + count
    return at
  }

  take(count: number, what: string): Uint8Array {
    const at = this.step(count, what)
    return this.bytes.subarray(at, at + count)
  }

  uint8(what: string): number {
    return this.view.getUint8(this.step(1, what))
  }

  uint16(what: string): number {
    return this.view.getUint16(this.step(2, what), true)
  }

  uint32(what: string): number {
    return this.view.getUint32(this.step(4, what), true)
  }

  int32(what: string): number {
    return this.view.getInt32(this.step(4, what), true)
  }

  uint64(what: string): bigint {
    return this.view.getBigUint64(this.step(8, what), true)
  }

  int64(what: string): bigint {
    return this.view.getBigInt64(this.step(8, what), true)
  }

  /** Big endian, as in pickles. */
  float64BigEndian(what: string): number {
    return this.view.getFloat64(this.step(8, what), false)
  }
}
