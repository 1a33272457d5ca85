import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'

/** The browser's own dialog: it holds the focus, and Escape closes it. */
export function Dialog({
  title,
  children,
  close,
}: {
  title: string
  children: ComponentChildren
  close: () => void
}) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useLayoutEffect(() => {
    const dialog = ref.current
    const before = document.activeElement
    dialog?.showModal()
    return () => {
      dialog?.close()
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    // Once it is gone, what it tells of its end is about no dialog that is open now.
    <dialog ref={ref} aria-labelledby={id} onClose={() => ref.current && close()}>
      <div>
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}

/** Asks before something that cannot be taken back. */
export function Confirm(props: {
  title: string
  text: string
  action: string
  confirm: () => void
  close: () => void
}) {
  return (
    <Dialog title={props.title} close={props.close}>
      <p>{props.text}</p>
      <div class="actions">
        <button onClick={props.close}>Keep</button>
        <button
          class="danger"
          onClick={() => {
            props.close()
            props.confirm()
          }}
        >
          {props.action}
        </button>
      </div>
    </Dialog>
  )
}
