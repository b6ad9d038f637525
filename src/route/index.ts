/**
 * Everything of the route client that is public.
 */
export { Route, type RouteOptions } from './client.js'
export type { RouteEvent, RouteEvents, RouteWatchOptions } from './watch.js'
export type * from './types.js'
