/** Aligned columns: the first to the left, the others to the right. */
export function table(titles: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [titles, ...rows].map((row) =>
    row.map((cell) => (typeof cell === 'number' ? whole(cell) : cell)),
  )
  const widths = titles.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join('')
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
