/** What a receiver of alerts takes: our JSON, Slack's, or that of Alertmanager's API. */
export const ALERT_SHAPES = ['json', 'slack', 'alertmanager'] as const
export type AlertShape = (typeof ALERT_SHAPES)[number]

/** What alerts that go together have in common. */
export const ALERT_GROUPINGS = ['none', 'type', 'region'] as const
export type AlertGrouping = (typeof ALERT_GROUPINGS)[number]
