// What a receiver is sent of one group of events, in its own shape.
import type { PoolChange } from '@poolmesh/client'
import type { AlertShape } from '@poolmesh/types'

/** An event, and what is known of its pool; null where it is not registered any more, or has none. */
export interface PoolAlert extends PoolChange {
  pool_type: string | null
  region: string | null
}

export interface AlertGroup {
  /** What they have in common; empty: nothing was asked for. */
  key: string
  alerts: PoolAlert[]
}

/** Alertmanager ends by itself what it is not told of again; an event is told once, and kept as long by us. */
const FIRING_MS = 7 * 24 * 3_600_000
/** Slack takes 3,000 characters in a section. */
const LINES = 20
const LINE = 140

/** @param link address of the gateway, for what people follow; undefined: none */
export function bodyOf(shape: AlertShape, group: AlertGroup, link?: string): unknown {
  if (shape === 'slack') return slackBody(group, link)
  if (shape === 'alertmanager') return alertmanagerBody(group, link)
  return { group: group.key, alerts: group.alerts }
}

/** Of an incoming webhook: `text` is what notifications show. */
export function slackBody({ key, alerts }: AlertGroup, link?: string): object {
  const down = alerts.filter(({ kind }) => kind === 'unhealthy').length
  const counts = [
    down > 0 ? `${down} unhealthy` : '',
    alerts.length > down ? `${alerts.length - down} recovered` : '',
  ].filter(Boolean)
  const text = `Pools${key === '' ? '' : ` (${escaped(key)})`}: ${counts.join(', ')}`
  const lines = alerts.slice(0, LINES).map((alert) => slackLine(alert, link))
  if (alerts.length > LINES) lines.push(`… and ${alerts.length - LINES} more`)
  return {
    text,
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: `*${text}*` } },
      { type: 'section', text: { type: 'mrkdwn', text: lines.join('\n') } },
    ],
  }
}

function slackLine({ kind, pool, reason, at }: PoolAlert, link?: string): string {
  const name = link === undefined ? `*${pool}*` : `<${poolUrl(link, pool)}|${pool}>`
  const mark = kind === 'unhealthy' ? ':red_circle:' : ':large_green_circle:'
  return `${mark} ${name} ${kind}: ${escaped(reason.slice(0, LINE))} (${at})`
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** `POST /api/v2/alerts`. A pool is one alert, whose labels are the same when it recovers: what it was last counts. */
export function alertmanagerBody({ alerts }: AlertGroup, link?: string): object[] {
  const last = new Map(alerts.map((alert) => [alert.pool, alert]))
  return [...last.values()].map((alert) => {
    const firing = alert.kind === 'unhealthy'
    return {
      labels: { alertname: 'PoolmeshPool', pool: alert.pool },
      annotations: {
        summary: `The pool ${alert.pool} is ${firing ? 'unhealthy' : 'healthy again'}`,
        description: alert.reason,
        ...(alert.pool_type === null ? {} : { pool_type: alert.pool_type }),
        ...(alert.region === null ? {} : { region: alert.region }),
      },
      ...(firing ? { startsAt: alert.at } : {}),
      endsAt: firing ? new Date(Date.parse(alert.at) + FIRING_MS).toISOString() : alert.at,
      ...(link === undefined ? {} : { generatorURL: poolUrl(link, alert.pool) }),
    }
  })
}

const poolUrl = (link: string, pool: string): string => `${link.replace(/\/+$/, '')}/pools/${pool}`
