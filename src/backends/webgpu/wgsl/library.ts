/**
 * Parts of WGSL programs. Numbers are written by their bits, because NaN and infinities have no literals. WGSL allows an implementation to assume that
 * neither occurs, so tests for both use the bits. WGSL's exp, log, sin and others may have large errors, so this file has accurate versions.
 */
import type { DType } from '../../../ir/types.ts'

/** The element type in memory: half types are stored as float32, bool as 0 and 1. */
export const elementType = (dtype: DType): 'f32' | 'i32' => (dtype === 'int32' || dtype === 'bool' ? 'i32' : 'f32')

const bits = new DataView(new ArrayBuffer(4))

/** A number of the dtype, exact in every bit. */
export const literal = (value: number, dtype: DType): string => {
  if (elementType(dtype) === 'i32') return value === -(2 ** 31) ? 'i32(-2147483647 - 1)' : `i32(${value | 0})`
  if (Number.isNaN(value)) return 'uniforms.NAN'
  bits.setFloat32(0, value)
  const single = bits.getFloat32(0)
  if (!Number.isFinite(single)) return single > 0 ? 'uniforms.INFINITY' : '(-uniforms.INFINITY)'
  return `bitcast<f32>(0x${bits.getUint32(0).toString(16)}u)`
}

/** Functions by name; `isnan` is tfjs's. A program contains those whose names occur in it. */
const library: { readonly [name: string]: string } = {
  // Divides in float32, which is faster on machines without integer division. Two corrections make it exact.
  quotient: `fn quotient(i : u32, d : u32) -> u32 {
    let inverse = 1.0 / f32(d);
    let first = u32(f32(i) * inverse);
    let second = first + u32(i32(floor(f32(i32(i - first * d)) * inverse)));
    let rest = i32(i - second * d);
    return second + u32(select(select(0, 1, rest >= i32(d)), -1, rest < 0));
  }`,
  toBool: 'fn toBool(x : bool) -> i32 { return select(0, 1, x); }',
  isFinite32: 'fn isFinite32(x : f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }',
  // The sum is NaN if either operand is NaN.
  largest: 'fn largest(a : f32, b : f32) -> f32 { return select(select(b, a, a > b), a + b, isnan(a) || isnan(b)); }',
  smallest: 'fn smallest(a : f32, b : f32) -> f32 { return select(select(b, a, a < b), a + b, isnan(a) || isnan(b)); }',
  squareRoot:
    'fn squareRoot(x : f32) -> f32 { if (isnan(x) || x < 0.0) { return uniforms.NAN; } if (x == 0.0 || !isFinite32(x)) { return x; } return sqrt(x); }',
  // Up to 2^13 quarter turns by pi / 2 in three parts, beyond that by 2 / pi with as many bits as necessary (Payne and Hanek).
  sine: `fn sine(x : f32) -> f32 {
    if (isnan(x) || !isFinite32(x)) { return uniforms.NAN; }
    let turned = quarterTurns(x);
    return sineOf(turned.x, i32(turned.y));
  }`,
  cosine: `fn cosine(x : f32) -> f32 {
    if (isnan(x) || !isFinite32(x)) { return uniforms.NAN; }
    let turned = quarterTurns(x);
    return sineOf(turned.x, i32(turned.y) + 1);
  }`,
  sineOf: `fn sineOf(r : f32, quarter : i32) -> f32 {
    let z = r * r;
    let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let y = select(s, c, (quarter & 1) != 0);
    return select(y, -y, (quarter & 2) != 0);
  }`,
  quarterTurns: `fn quarterTurns(x : f32) -> vec2<f32> {
    if (abs(x) >= 12000.0) { return manyQuarterTurns(x); }
    let n = round(x * 0.63661977);
    return vec2<f32>(((x - n * 1.5703125) - n * 4.837512969970703e-4) - n * 7.54978995489188216e-8, f32(i32(n) & 3));
  }`,
  // x = m 2^e; three words of 2 / pi from bit e on determine m 2^e 2 / pi modulo 4.
  manyQuarterTurns: `const twoOverPi = array<u32, 8>(0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u);
  fn manyQuarterTurns(x : f32) -> vec2<f32> {
    let raw = bitcast<u32>(x);
    let m = (raw & 0x7fffffu) | 0x800000u;
    // m 2^e with e = exponent - 23 >= -10; bits of weight 4 and more are dropped.
    let start = i32((raw >> 23u) & 255u) - 150 - 2;
    let a = bitsFrom(start);
    let b = bitsFrom(start + 32);
    let c = bitsFrom(start + 64);
    let low = multiplied(m, c);
    let middle = multiplied(m, b);
    let high = m * a;
    let lowSum = low.y + middle.x;
    let carry = select(0u, 1u, lowSum < middle.x);
    let top = high + middle.y + carry;
    // The first two bits of top are the quarters, the others are the fraction.
    let fraction = (top << 2u) | (lowSum >> 30u);
    let isUpper = (fraction >> 31u) != 0u;
    let quarter = i32(top >> 30u) + select(0, 1, isUpper);
    let rest = lowSum << 2u;
    let size = select(fraction, ~fraction, isUpper);
    let tail = select(rest, ~rest, isUpper);
    let lead = min(countLeadingZeros(size), 31u);
    let word = (size << lead) | select(0u, tail >> (32u - lead), lead > 0u);
    let r = f32(word) * powerOf2(-32 - i32(lead)) * 1.5707964;
    let signed = select(r, -r, isUpper);
    let isBelow = (raw >> 31u) != 0u;
    return vec2<f32>(select(signed, -signed, isBelow), f32(select(quarter, -quarter, isBelow) & 3));
  }`,
  // 32 bits of 2 / pi from bit "start" after the point; bits before the point are 0.
  bitsFrom: `fn bitsFrom(start : i32) -> u32 {
    if (start <= -32) { return 0u; }
    if (start < 0) { return wordOf(0) >> u32(-start); }
    let shift = u32(start) % 32u;
    let word = start / 32;
    return (wordOf(word) << shift) | select(0u, wordOf(word + 1) >> (32u - shift), shift > 0u);
  }`,
  wordOf: 'fn wordOf(at : i32) -> u32 { var words = twoOverPi; return words[min(at, 7)]; }',
  // The 64-bit product, lower word first.
  multiplied: `fn multiplied(a : u32, b : u32) -> vec2<u32> {
    let ll = (a & 0xffffu) * (b & 0xffffu);
    let lh = (a & 0xffffu) * (b >> 16u);
    let hl = (a >> 16u) * (b & 0xffffu);
    let middle = (ll >> 16u) + (lh & 0xffffu) + (hl & 0xffffu);
    return vec2<u32>((ll & 0xffffu) | (middle << 16u), (a >> 16u) * (b >> 16u) + (lh >> 16u) + (hl >> 16u) + (middle >> 16u));
  }`,
  powerOf2: 'fn powerOf2(n : i32) -> f32 { return bitcast<f32>(u32(n + 127) << 23u); }',
  // exp(r) on |r| <= log(2) / 2, and the power of 2 in two steps, because float32 cannot represent 2^128.
  exponential: `fn exponential(x : f32) -> f32 {
    if (isnan(x)) { return x; }
    if (x > 88.72284) { return uniforms.INFINITY; }
    if (x < -104.0) { return 0.0; }
    let n = round(x * 1.44269504);
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    let p = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
    let half = i32(n) / 2;
    return ((p * r * r + r) + 1.0) * powerOf2(half) * powerOf2(i32(n) - half);
  }`,
  // Uses the series if exp(x) - 1 would cancel.
  exponentialMinus1: `fn exponentialMinus1(x : f32) -> f32 {
    if (abs(x) > 0.5 || isnan(x)) { return exponential(x) - 1.0; }
    return x + x * x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.0083333338 + x * (0.0013888889 + x * (1.984127e-4 + x * 2.4801588e-5))))));
  }`,
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)): log(m) by the series of atanh.
  logarithm: `fn logarithm(x : f32) -> f32 {
    if (isnan(x) || x < 0.0) { return uniforms.NAN; }
    if (x == 0.0) { return -uniforms.INFINITY; }
    if (!isFinite32(x)) { return x; }
    let isTiny = x < 1.1754944e-38;
    let scaled = bitcast<u32>(select(x, x * 16777216.0, isTiny));
    let shifted = scaled - 0x3f3504f3u;
    let e = f32(i32(shifted) >> 23u) - select(0.0, 24.0, isTiny);
    let m = bitcast<f32>((shifted & 0x7fffffu) + 0x3f3504f3u);
    return e * 0.693359375 + (logarithmNear1(m - 1.0) - e * 2.12194440e-4);
  }`,
  // log(1 + f) = 2 atanh(f / (2 + f)).
  logarithmNear1: `fn logarithmNear1(f : f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    return 2.0 * s + 2.0 * s * z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * (0.11111111 + z * 0.09090909))));
  }`,
  logarithm1Plus: `fn logarithm1Plus(x : f32) -> f32 {
    if (abs(x) < 0.3) { return logarithmNear1(x); }
    return logarithm(1.0 + x);
  }`,
  logistic: 'fn logistic(x : f32) -> f32 { return 1.0 / (1.0 + exponential(-x)); }',
  hyperbolicTangent: `fn hyperbolicTangent(x : f32) -> f32 {
    if (abs(x) > 10.0) { return sign(x); }
    let t = exponentialMinus1(2.0 * x);
    return t / (t + 2.0);
  }`,
  softPlus: 'fn softPlus(x : f32) -> f32 { return largest(x, 0.0) + logarithm1Plus(exponential(-abs(x))); }',
  exponentialUnit: 'fn exponentialUnit(x : f32) -> f32 { if (x > 0.0) { return x; } return exponentialMinus1(x); }',
  // The series near 0; else 1 - erfc by the Chebyshev fit of Press et al., Numerical Recipes, 6.2.
  errorFunction: `fn errorFunction(x : f32) -> f32 {
    if (isnan(x)) { return x; }
    let a = abs(x);
    if (a < 0.5) {
      let z = x * x;
      return x * (1.1283792 + z * (-0.37612639 + z * (0.11283792 + z * (-0.026866171 + z * (0.0052239776 - z * 8.5483e-4)))));
    }
    if (a > 5.0) { return sign(x); }
    let t = 1.0 / (1.0 + 0.5 * a);
    let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 +
      t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    return sign(x) * (1.0 - t * exponential(p - a * a));
  }`,
  // Exact: long division by subtraction of the divisor times powers of 2.
  remainder32: `fn remainder32(a : f32, b : f32) -> f32 {
    if (isnan(a) || isnan(b) || !isFinite32(a) || b == 0.0) { return uniforms.NAN; }
    if (!isFinite32(b)) { return a; }
    let d = abs(b);
    var r = abs(a);
    loop {
      if (r < d) { break; }
      let shift = i32(bitcast<u32>(r) >> 23u) - i32(bitcast<u32>(d) >> 23u);
      var s = d * powerOf2(min(shift, 126)) * powerOf2(max(shift - 126, 0));
      if (s > r) { s = s * 0.5; }
      r = r - s;
    }
    return select(r, -r, a < 0.0);
  }`,
  quotientInt:
    'fn quotientInt(a : i32, b : i32) -> i32 { if (b == 0) { return 0; } if (b == -1) { return -a; } return a / b; }',
  remainderInt: 'fn remainderInt(a : i32, b : i32) -> i32 { if (b == 0 || b == -1) { return 0; } return a % b; }',
  toInt: `fn toInt(x : f32) -> i32 {
    if (isnan(x)) { return 0; }
    if (x >= 2147483648.0) { return 2147483647; }
    if (x <= -2147483648.0) { return -2147483647 - 1; }
    return i32(x);
  }`,
  // IEEE 754's pow. |x|^y uses a logarithm in two parts, because its error is multiplied by the exponent.
  power: `fn power(x : f32, y : f32) -> f32 {
    if (x == 1.0 || y == 0.0) { return 1.0; }
    if (isnan(x) || isnan(y)) { return uniforms.NAN; }
    let isWhole = abs(y) >= 8388608.0 || floor(y) == y;
    let isOdd = isWhole && abs(y) < 16777216.0 && (i32(y) & 1) != 0;
    let isBelow = (bitcast<u32>(x) >> 31u) != 0u;
    let turn = select(1.0, -1.0, isBelow && isOdd);
    let a = abs(x);
    if (!isFinite32(y)) { if (a == 1.0) { return 1.0; } return select(0.0, uniforms.INFINITY, (a > 1.0) == (y > 0.0)); }
    if (a == 0.0 || !isFinite32(a)) { return turn * select(0.0, uniforms.INFINITY, (a == 0.0) == (y < 0.0)); }
    if (isBelow && !isWhole) { return uniforms.NAN; }
    return turn * powerOfPositive(a, y);
  }`,
  powerOfPositive: `fn powerOfPositive(a : f32, y : f32) -> f32 {
    let shifted = bitcast<u32>(a) - 0x3f3504f3u;
    let e = f32(i32(shifted) >> 23u);
    let f = bitcast<f32>((shifted & 0x7fffffu) + 0x3f3504f3u) - 1.0;
    let s = f / (2.0 + f);
    let rest = (f - s * 2.0 - s * f) / (2.0 + f);
    let z = s * s;
    let small = 2.0 * rest + 2.0 * s * z * (0.33333334 + z * (0.2 + z * (0.14285715 + z * (0.11111111 + z * 0.09090909))));
    let whole = e * 0.693359375;
    let first = whole + 2.0 * s;
    let second = ((whole - first) + 2.0 * s) + (small - e * 2.12194440e-4);
    let high = first + second;
    let low = (first - high) + second;
    let product = y * high;
    let error = lostBy(y, high, product) + y * low;
    return exponential(product) * (1.0 + select(0.0, error, isFinite32(product) && abs(product) < 104.0));
  }`,
  // The rounding error of a product, by Dekker's algorithm. A device need not have fma.
  lostBy: `fn lostBy(a : f32, b : f32, product : f32) -> f32 {
    let ah = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let bh = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
    return ((ah * bh - product) + ah * (b - bh) + (a - ah) * bh) + (a - ah) * (b - bh);
  }`,
}

/** The library functions that the code calls, each after the functions that it calls. */
export const calledBy = (code: string): string => {
  const found = new Map<string, string>()
  const visit = (text: string): void => {
    for (const [name, body] of Object.entries(library)) {
      if (found.has(name) || body === text || !new RegExp(`\\b${name}\\(`).test(text)) continue
      found.set(name, body)
      visit(body)
    }
  }
  visit(code)
  return [...found.values()].join('\n')
}
