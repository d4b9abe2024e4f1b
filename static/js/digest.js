/* SHA-256, also where the browser offers none: crypto.subtle is for secure addresses only, and a phone that tries the
   product on the local network (http://192.168…) has none. Both ways give the same digest, so what is made from it does
   not change with the address. 300 kB take about 10 ms in JavaScript. */

export const hex = bytes => [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
const rotate = (word, by) => (word >>> by) | (word << (32 - by));

/* The constants are the first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
const PRIMES = [];
for (let number = 2; PRIMES.length < 64; number++) if (PRIMES.every(prime => number % prime)) PRIMES.push(number);
const fraction = value => ((value - Math.floor(value)) * 2 ** 32) >>> 0;
const ROUNDS = PRIMES.map(prime => fraction(Math.cbrt(prime))), START = PRIMES.slice(0, 8).map(prime => fraction(Math.sqrt(prime)));

export function plainSha256(bytes) {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64), view = new DataView(padded.buffer), words = new Uint32Array(64);
  padded.set(bytes);
  padded[bytes.length] = 128;
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const state = Uint32Array.from(START);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + i * 4);
    for (let i = 16; i < 64; i++) {
      const one = words[i - 15], two = words[i - 2];
      words[i] = words[i - 16] + (rotate(one, 7) ^ rotate(one, 18) ^ (one >>> 3)) + words[i - 7] + (rotate(two, 17) ^ rotate(two, 19) ^ (two >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const first = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] += word; });
  }
  return [...state].map(word => word.toString(16).padStart(8, "0")).join("");
}

/** The digest of these bytes, as the server writes it. */
export async function sha256(bytes) {
  return crypto.subtle ? hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))) : plainSha256(bytes);
}
