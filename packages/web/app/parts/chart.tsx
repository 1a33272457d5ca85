// Lines over time, drawn by uPlot on a canvas; for who does not see it, the same in a sentence.
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

interface Line {
  label: string
  ink: 'accent' | 'bad' | 'warn' | 'muted'
  /** Dashes tell lines apart where colours do not. */
  dash?: number[]
  fill?: boolean
  values: (number | null)[]
}

export interface ChartProps {
  /** Seconds since 1970. */
  times: number[]
  lines: Line[]
  height: number
  /** Seconds that are shown; default: what there is. */
  span?: number
  summary: string
  format(value: number): string
}

const inkOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

function optionsFor(width: number, { lines, height, format, span }: ChartProps): uPlot.Options {
  const axis = { stroke: inkOf('muted'), font: '11px system-ui, sans-serif', ticks: { show: false } }
  const grid = { stroke: inkOf('line'), width: 1 }
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 6, 0, 0],
    // The window is the whole time, so that a system that was started just now does not look like a long one.
    scales: {
      x: { range: (_, min, max) => [span === undefined ? min : max - span, max] },
      y: { range: (_, __, max) => [0, Math.max(max * 1.15, 1)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        values: (_, ticks) =>
          ticks.map((t) =>
            new Date(t * 1_000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }),
          ),
        space: 70,
        incrs: [60, 120, 300, 600],
      },
      { ...axis, grid, size: 52, space: 34, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ label, ink, dash, fill }) => {
        const stroke = inkOf(ink)
        return {
          label,
          stroke,
          width: 1.75,
          points: { show: false },
          spanGaps: false,
          ...(dash ? { dash } : {}),
          ...(fill ? { fill: `${stroke}1f` } : {}),
        }
      }),
    ],
  }
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const latest = useRef(props)
  latest.current = props
  const data = (): uPlot.AlignedData => [
    latest.current.times,
    ...latest.current.lines.map(({ values }) => values),
  ]
  useEffect(() => {
    const element = box.current
    if (!element) return
    const draw = (): void => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsFor(element.clientWidth, latest.current), data(), element)
    }
    draw()
    const observer = new ResizeObserver(() => {
      if (plot.current && plot.current.width !== element.clientWidth)
        plot.current.setSize({ width: element.clientWidth, height: latest.current.height })
    })
    observer.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', draw)
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [])
  useEffect(() => plot.current?.setData(data()))
  return (
    <figure>
      <div
        class="chart"
        ref={box}
        role="img"
        aria-label={props.summary}
        style={{ height: `${props.height}px` }}
      />
      <figcaption class="legend">
        {props.lines.map(({ label, ink, dash }) => (
          <span key={label}>
            <svg viewBox="0 0 24 8" aria-hidden="true">
              <path d="M0 4h24" class={`ink-${ink}`} stroke-width="2" stroke-dasharray={dash?.join(' ')} />
            </svg>
            {label}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}
