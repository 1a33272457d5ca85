// Server-sent events out of a stream of bytes, as the HTML standard parses them. With fetch and not EventSource, which can
// send no Authorization header.

export interface ServerEvent {
  id: string
  event: string
  data: string
}

/** Of one event; a server that sends more is not ours. */
const MAX_CHARACTERS = 32 * 1024 ** 2

export class EventParser {
  #rest = ''
  #id = ''
  #event = ''
  #data: string[] = []

  /** Takes a piece of text, wherever it was cut. @returns the events that are whole now */
  push(text: string): ServerEvent[] {
    const all = this.#rest + text
    // A CR at the end may be half of a CR LF.
    const end = all.endsWith('\r') ? all.length - 1 : all.length
    const lines = all.slice(0, end).split(/\r\n|\n|\r/)
    this.#rest = (lines.pop() ?? '') + all.slice(end)
    if (this.#rest.length > MAX_CHARACTERS) throw new Error('an event is too long')
    return lines.flatMap((line) => this.#line(line) ?? [])
  }

  #line(line: string): ServerEvent | null {
    if (line === '') return this.#end()
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#event = value
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    return null
  }

  #end(): ServerEvent | null {
    const [event, data] = [this.#event, this.#data]
    this.#event = ''
    this.#data = []
    return data.length === 0 ? null : { id: this.#id, event: event || 'message', data: data.join('\n') }
  }
}
