import { useEffect, useState } from 'preact/hooks'

const narrow = matchMedia('(max-width: 820px)')

/** Whether the page is as narrow as a phone: the same width as in the styles. */
export function useNarrow(): boolean {
  const [is, setIs] = useState(narrow.matches)
  useEffect(() => {
    const look = (): void => setIs(narrow.matches)
    narrow.addEventListener('change', look)
    return () => narrow.removeEventListener('change', look)
  }, [])
  return is
}
