import { headers, type MsgHdrs, type MsgHdrsImpl } from '@nats-io/transport-node'

/**
 * Headers that many messages have alike, printed once: the NATS client prints them for every message. They cannot be changed.
 */
export function fixedHeaders(values: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers() as MsgHdrsImpl
  for (const [name, value] of Object.entries(values)) made.set(name, value)
  const bytes = made.encode()
  made.encode = () => bytes
  const refuse = (): never => {
    throw new Error('these headers are shared')
  }
  return Object.assign(made, { set: refuse, append: refuse, delete: refuse })
}
