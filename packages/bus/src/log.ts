import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** One line an event: JSON when piped, readable on a terminal. Never written by libraries, only by services. */
export function createLogger(service: string, level: string, pretty = process.stdout.isTTY === true): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(pretty
      ? {
          transport: {
            target: 'pino-pretty',
            options: { translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true },
          },
        }
      : {}),
  })
}

/** Says nothing: for embedded use, where the host decides what to print. */
export const silentLogger = (): Logger => pino({ level: 'silent' })
