// A text that is redrawn in place, such as a table that changes.
import { createLogUpdate } from 'log-update'

/** Only lines that changed are written again, so that nothing flickers. Dispose it: the last text stays. */
export class Live implements Disposable {
  readonly #draw: ReturnType<typeof createLogUpdate>

  constructor(stream: NodeJS.WriteStream) {
    this.#draw = createLogUpdate(stream)
  }

  show(text: string): void {
    this.#draw(text)
  }

  [Symbol.dispose](): void {
    this.#draw.done()
  }
}
