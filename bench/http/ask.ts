import type { NatsConnection } from '@nats-io/transport-node'

const ASK_MS = 120_000

/** @throws Error with what a service refused it with */
export async function ask<Reply>(nc: NatsConnection, subject: string, body: object): Promise<Reply> {
  const reply = await nc.request(subject, JSON.stringify(body), { timeout: ASK_MS })
  if (reply.headers?.get('Nats-Service-Error')) throw new Error(`${subject}: ${reply.string()}`)
  return reply.json<Reply>()
}
