// A list of any length of which only the rows in sight are in the document.
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Rows beyond those in sight, above and below: a quick scroll shows no gap. */
const MARGIN = 8

export interface VirtualProps<Item> {
  items: readonly Item[]
  keyOf(item: Item): string
  /** Cells of the row. */
  row(item: Item): ComponentChildren
  columns: readonly string[]
  label: string
  /** Class that has the columns' widths. */
  layout: string
  rowHeight: number
}

export function VirtualRows<Item>({
  items,
  keyOf,
  row,
  columns,
  label,
  layout,
  rowHeight,
}: VirtualProps<Item>) {
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 600 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const look = (): void => setView({ top: element.scrollTop, height: element.clientHeight })
    look()
    const observer = new ResizeObserver(look)
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  // A list that got shorter than where one had scrolled to.
  useEffect(() => {
    const element = box.current
    if (element && element.scrollTop !== view.top) setView((old) => ({ ...old, top: element.scrollTop }))
  }, [items.length, view.top])
  const first = Math.max(0, Math.floor(view.top / rowHeight) - MARGIN)
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + MARGIN)
  return (
    <div class="rows" role="table" aria-label={label} aria-rowcount={items.length + 1}>
      <div role="rowgroup">
        <div class={`row top ${layout}`} role="row" aria-rowindex={1}>
          {columns.map((column) => (
            <span role="columnheader" key={column}>
              {column}
            </span>
          ))}
        </div>
      </div>
      <div
        class="scroll"
        role="rowgroup"
        tabIndex={0}
        aria-label={label}
        ref={box}
        onScroll={(event) =>
          setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight })
        }
      >
        <div style={{ height: `${first * rowHeight}px` }} role="presentation" />
        {items.slice(first, last).map((item, index) => (
          <div
            class={`row ${layout}`}
            role="row"
            aria-rowindex={first + index + 2}
            key={keyOf(item)}
            style={{ height: `${rowHeight}px` }}
          >
            {row(item)}
          </div>
        ))}
        <div style={{ height: `${Math.max(0, items.length - last) * rowHeight}px` }} role="presentation" />
      </div>
    </div>
  )
}
