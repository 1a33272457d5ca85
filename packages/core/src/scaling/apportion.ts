/**
 * Shares a whole number out in proportion to weights, in whole numbers: Hamilton's method, also known as that of the largest
 * remainder (en.wikipedia.org/wiki/Quota_method). Each gets its quota without the fraction, then one more goes to those whose
 * fractions were the largest; of equals the first. So no share differs from its quota by one or more, and where `total` is
 * at most the sum of the weights no share is more than its weight.
 * @param total whole, at least 0; its product with any weight is a safe integer
 * @param weights whole, at least 0
 * @returns shares in the order of the weights; their sum is `total`, or 0 where all weights are 0
 */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  if (sum === 0) return weights.map(() => 0)
  const shares = weights.map((weight) => Math.floor((total * weight) / sum))
  const left = total - shares.reduce((all, share) => all + share, 0)
  const byRemainder = weights
    .map((weight, index) => ({ index, remainder: (total * weight) % sum }))
    .sort((a, b) => b.remainder - a.remainder)
  for (const { index } of byRemainder.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1
  return shares
}
