/** Writes bytes in sequence, with the number encoding of WebAssembly's binary format (LEB128). */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  get length(): number {
    return this.#length
  }

  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.#length++] = value
  }

  bytes(values: ArrayLike<number>): void {
    if (this.#length + values.length > this.#bytes.length) this.#grow(values.length)
    // For a few bytes, a loop is much faster than a call of `set`.
    if (values.length > 16) this.#bytes.set(values, this.#length)
    else for (let i = 0; i < values.length; i++) this.#bytes[this.#length + i] = values[i] as number
    this.#length += values.length
  }

  unsigned(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.byte((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.byte(rest)
  }

  /** A signed integer of 32 bits. */
  signed(value: number): void {
    for (let rest = value; ; rest >>= 7) {
      const low = rest & 0x7f
      const isLast = (rest >> 7 === 0 && (low & 0x40) === 0) || (rest >> 7 === -1 && (low & 0x40) !== 0)
      this.byte(isLast ? low : low | 0x80)
      if (isLast) return
    }
  }

  signed64(value: bigint): void {
    for (let rest = BigInt.asIntN(64, value); ; rest >>= 7n) {
      const low = Number(rest & 0x7fn)
      const next = rest >> 7n
      const isLast = (next === 0n && (low & 0x40) === 0) || (next === -1n && (low & 0x40) !== 0)
      this.byte(isLast ? low : low | 0x80)
      if (isLast) return
    }
  }

  /** Writes a number in five bytes, so that any other 32-bit number can replace it. */
  wide(value: number): void {
    for (let i = 0; i < 4; i++) this.byte(((value >>> (7 * i)) & 0x7f) | 0x80)
    this.byte(value >>> 28)
  }

  /** Replaces the number that `wide` wrote at this offset. */
  setWide(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.#bytes[at + i] = ((value >>> (7 * i)) & 0x7f) | 0x80
    this.#bytes[at + 4] = value >>> 28
  }

  text(value: string): void {
    const encoded = new TextEncoder().encode(value)
    this.unsigned(encoded.length)
    this.bytes(encoded)
  }

  /** A view of the written bytes. It changes when the writer writes more. */
  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(more: number): void {
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
