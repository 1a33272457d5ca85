// Makes sales.csv: made-up daily sales of five regions over sixty days, the same on every run.
// `node examples/data/make-sales.ts` writes it again.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const REGIONS = [
  { name: 'north', base: 42, currencyFactor: 1.0 },
  { name: 'south', base: 55, currencyFactor: 0.96 },
  { name: 'east', base: 31, currencyFactor: 1.04 },
  { name: 'west', base: 64, currencyFactor: 1.1 },
  { name: 'central', base: 48, currencyFactor: 1.02 },
]
const PRODUCTS = [
  { name: 'desk lamp', price: 24.5 },
  { name: 'office chair', price: 129.0 },
  { name: 'notebook, ruled', price: 3.2 },
  { name: 'monitor arm', price: 79.9 },
]
const DAYS = 60
const FIRST_DAY = Date.UTC(2026, 0, 1)

/** mulberry32 by Tommy Ettinger: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const cell = (text: string): string => (text.includes(',') ? `"${text}"` : text)

/** The whole file: a header and 300 rows, one for each day and region. */
export function salesCsv(): string {
  const random = randomFrom(20_260_101)
  const rows = ['date,region,product,units,unit_price,revenue,returns']
  for (let day = 0; day < DAYS; day++) {
    const date = new Date(FIRST_DAY + day * 86_400_000)
    const weekend = date.getUTCDay() === 0 || date.getUTCDay() === 6
    REGIONS.forEach((region, index) => {
      const product = PRODUCTS[(day + index) % PRODUCTS.length] as (typeof PRODUCTS)[number]
      const trend = 1 + day / 200
      const units = Math.round(region.base * trend * (weekend ? 0.6 : 1) * (0.75 + random() * 0.5))
      const price = product.price * region.currencyFactor
      // A till that was offline: some days have no count of returns.
      const returns = random() < 0.04 ? '' : String(Math.round(units * random() * 0.06))
      rows.push(
        [
          date.toISOString().slice(0, 10),
          region.name,
          cell(product.name),
          units,
          price.toFixed(2),
          (units * Number(price.toFixed(2))).toFixed(2),
          returns,
        ].join(','),
      )
    })
  }
  return `${rows.join('\n')}\n`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, 'sales.csv'), salesCsv())
