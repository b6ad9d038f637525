/** What runs in the browser. It writes texts into the page, and never markup, since names come from elsewhere. */
export const SCRIPT = `
'use strict'
const ROWS = 50
const POLL_MS = 2000
const byId = (id) => document.getElementById(id)
let from = 0
let total = 0
let before = new Map()
let timer

function make(tag, text, className) {
  const element = document.createElement(tag)
  if (text !== undefined) element.textContent = text
  if (className !== undefined) element.className = className
  return element
}

function fill(element, children) {
  element.replaceChildren(...children)
}

function show(id, text) {
  byId(id).textContent = text
}

const number = (value) => value.toLocaleString('en')

function showSyncs(syncs) {
  const most = Math.max(1, ...syncs.map((sync) => sync.milliseconds))
  fill(byId('syncs'), syncs.map((sync) => {
    const bar = make('i')
    bar.style.height = Math.max(2, (sync.milliseconds / most) * 40) + 'px'
    if (sync.quarantined > 0) bar.className = 'bad'
    bar.title = new Date(sync.at).toLocaleTimeString() + ': ' + sync.milliseconds.toFixed(1) + ' ms, ' + sync.written + ' written, ' + sync.deleted + ' deleted'
    return bar
  }))
  const last = syncs[syncs.length - 1]
  show('last-sync', last === undefined ? 'none yet' : last.milliseconds.toFixed(1) + ' ms at ' + new Date(last.at).toLocaleTimeString())
}

function drainingText(one) {
  const left = one.activeConnections === undefined ? 'connections' : one.activeConnections + one.inactiveConnections + ' connections'
  const until = one.remainingSeconds === undefined ? '' : ', for at most ' + one.remainingSeconds + ' s'
  return one.service + ': ' + one.address + ' has ' + left + ' left' + until
}

function showList(id, list, count, words) {
  byId(id + '-part').hidden = count === 0
  fill(byId(id), list.map((item) => make('li', words(item))))
  if (count > list.length) byId(id).append(make('li', 'and ' + number(count - list.length) + ' more'))
}

function showState(state) {
  show('node', state.node)
  show('mode', state.mode)
  show('health', state.healthy ? 'healthy' : 'not healthy')
  byId('health').className = state.healthy ? 'good' : 'bad'
  show('services', number(state.services))
  show('drifts', number(state.drifts))
  show('quarantine-count', number(state.quarantined.count))
  show('draining-count', number(state.draining.count))
  showSyncs(state.syncs)
  showList('quarantine', state.quarantined.first, state.quarantined.count, (one) => one.service + ': ' + one.reason)
  showList('draining', state.draining.first, state.draining.count, drainingText)
  showList('leaving', state.leaving, state.leaving.length, (one) =>
    'mode ' + one.mode + ' has ' + one.connections + ' connections left, for at most ' + Math.round(one.remainingMs / 1000) + ' s')
}

function endpointLine(service, endpoint, most) {
  const line = make('div', undefined, 'endpoint ' + endpoint.state)
  const bar = make('b')
  if (endpoint.connections !== undefined) bar.style.width = (most === 0 ? 0 : (endpoint.connections / most) * 100) + '%'
  const track = make('span', undefined, 'track')
  track.append(bar)
  const key = service.name + ' ' + endpoint.address
  const delta = endpoint.connections - before.get(key)
  const words = [endpoint.connections === undefined ? '' : number(endpoint.connections)]
  if (delta > 0) words.push('+' + number(delta))
  if (endpoint.weight !== 1) words.push('weight ' + endpoint.weight)
  if (endpoint.state !== 'ready') words.push(endpoint.state)
  if (endpoint.local) words.push('here')
  line.append(make('code', endpoint.address), track, make('small', words.join(' ')))
  return line
}

function serviceLine(service) {
  const line = make('tr')
  if (service.reason !== undefined) line.className = 'bad'
  const name = make('td', service.name)
  const words = [service.protocol, service.scheduler]
  if (service.affinitySeconds !== undefined) words.push('affinity ' + service.affinitySeconds + ' s')
  if (service.reason !== undefined) words.push(service.reason)
  name.append(make('br'), make('small', words.join(', ')))
  const frontends = make('td')
  for (const frontend of service.frontends) frontends.append(make('div', frontend))
  const endpoints = make('td')
  const most = Math.max(0, ...service.endpoints.map((endpoint) => endpoint.connections ?? 0))
  for (const endpoint of service.endpoints) endpoints.append(endpointLine(service, endpoint, most))
  if (service.more > 0) endpoints.append(make('small', 'and ' + number(service.more) + ' more'))
  line.append(name, frontends, endpoints)
  return line
}

function remember(rows) {
  before = new Map()
  for (const service of rows)
    for (const endpoint of service.endpoints) before.set(service.name + ' ' + endpoint.address, endpoint.connections)
}

async function showServices() {
  clearTimeout(timer)
  const query = new URLSearchParams({ from: String(from), count: String(ROWS), find: byId('find').value.trim() })
  try {
    const answer = await fetch('ui/services?' + query)
    if (!answer.ok) throw new Error('status ' + answer.status)
    const page = await answer.json()
    total = page.total
    if (from >= total) from = 0
    byId('uncounted').hidden = page.isCounted
    fill(byId('rows'), page.rows.map(serviceLine))
    remember(page.rows)
    show('place', total === 0 ? 'none' : number(page.from + 1) + '–' + number(page.from + page.rows.length) + ' of ' + number(total))
    byId('previous').disabled = from === 0
    byId('next').disabled = from + ROWS >= total
  } catch (error) {
    show('place', 'cannot be read: ' + error.message)
  }
  timer = setTimeout(showServices, POLL_MS)
}

function turn(by) {
  from = Math.max(0, from + by)
  void showServices()
}

byId('previous').addEventListener('click', () => turn(-ROWS))
byId('next').addEventListener('click', () => turn(ROWS))
byId('find').addEventListener('input', () => { from = 0; void showServices() })
const states = new EventSource('ui/events')
states.addEventListener('message', (event) => { showState(JSON.parse(event.data)); byId('cut').hidden = true })
states.addEventListener('error', () => { byId('cut').hidden = false })
void showServices()
`
