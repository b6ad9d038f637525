import type { Session } from 'node:inspector/promises'

/** Asks V8 of this process. @throws This Node.js was built without an inspector, which runs the proxy, too. */
export async function withInspector<T>(use: (session: Session) => Promise<T>): Promise<T> {
  const inspector = await import('node:inspector/promises')
  const session = new inspector.Session()
  session.connect()
  try {
    return await use(session)
  } finally {
    // Behind the last answer, never within its callback: there Node.js 20 waits for itself for ever.
    session.disconnect()
  }
}
