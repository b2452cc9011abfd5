import type { TargetHealth, UpstreamHealth, WeightHealth } from './balancer.ts'

/** `/upstreams/{id or name}/health`; gives the id or the name, or nothing for another path. */
export function upstreamAsked(path: string): string | undefined {
  const [, name] = /^\/upstreams\/([^/]+)\/health$/.exec(path) ?? []
  try {
    return name && decodeURIComponent(name)
  } catch {
    return undefined
  }
}

/** Kong's page about the targets of an upstream. */
export function targetsPage({ id, targets }: UpstreamHealth, node_id: string) {
  const data = targets.map((each) => ({
    id: each.id,
    target: each.target,
    weight: each.weight,
    upstream: { id },
    health: each.health,
    data: { ...hostOf(each), addresses: each.addresses },
  }))
  return { data, next: null, node_id }
}

/** Kong's page about an upstream as a whole, for `balancer_health=1`. */
export function balancerPage(upstream: UpstreamHealth, node_id: string) {
  const { id, health, balancer_health, weight, targets } = upstream
  const hosts = targets.map((each) => ({ ...hostOf(each), addresses: each.addresses }))
  const details = { healthy: balancer_health === 'HEALTHY', weight, hosts }
  return { data: { id, health, balancer_health, details }, next: null, node_id }
}

function hostOf({ target, dns, weight, addresses }: TargetHealth) {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(target) ?? []
  const unhealthy = addresses.filter(({ health }) => health === 'UNHEALTHY')
  const [total, unavailable] = [sum(addresses), sum(unhealthy)]
  const weights: WeightHealth = { total, available: total - unavailable, unavailable }
  return { host, port: Number(port), dns, nodeWeight: weight, weight: weights }
}

function sum(addresses: TargetHealth['addresses']): number {
  return addresses.reduce((all, { weight }) => all + weight, 0)
}
