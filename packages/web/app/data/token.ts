// The token of a gateway that others can reach: asked for once, kept until the tab is closed.
import { store } from './store.ts'

const KEY = 'poolmesh-token'

export const token = store<string | null>(sessionStorage.getItem(KEY))
/** Whether the gateway refused for want of a token. */
export const tokenNeeded = store(false)

export function setToken(value: string): void {
  sessionStorage.setItem(KEY, value)
  token.set(value)
  tokenNeeded.set(false)
}
