// How lists are asked for page by page.
import * as z from 'zod'

export const DEFAULT_PAGE = 100
export const MAX_PAGE = 1000

/** A caller may ask for more than there is to give, and gets the most. */
export const upTo = (most: number) =>
  z
    .int()
    .min(1)
    .transform((limit) => Math.min(limit, most))
    .describe(`More than ${most} counts as ${most}.`)

export const pageLimit = upTo(MAX_PAGE).default(DEFAULT_PAGE)
