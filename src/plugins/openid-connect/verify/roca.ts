/** The primes below 170, but 2, modulo which the keys of the generator are powers of 65537. */
const PRIMES = [
  ...[3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73],
  ...[79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167],
]

/** For each prime, the powers of 65537. */
const POWERS: readonly (readonly [prime: number, powers: ReadonlySet<number>])[] = PRIMES.map(
  (prime) => {
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * 65_537) % prime) powers.add(power)
    return [prime, powers]
  },
)

/**
 * Whether a modulus of RSA comes from the generator whose keys can be factored (CVE-2017-15361, "ROCA": Nemec and others,
 * CCS 2017, §2.1). Of the keys of others fewer than one in 2^27 looks like it.
 */
export function hasRocaFingerprint(modulus: Uint8Array): boolean {
  return POWERS.every(([prime, powers]) =>
    powers.has(modulus.reduce((rest, byte) => (rest * 256 + byte) % prime, 0)),
  )
}
