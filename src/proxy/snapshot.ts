import type { Route, Service } from '../entities/index.ts'
import type { RouterFlavor } from '../entities/route.ts'
import type { RouteFinder } from '../router/router.ts'
import type { PathRule } from '../router/upstream_path.ts'
import type { ServiceTarget } from './forwarding.ts'
import type { Instance, Plan } from './plan.ts'

/** What a route was made into at load. */
export interface PreparedRoute {
  readonly route: Route
  readonly service: Service | undefined
  readonly plan: Plan
  /** Where its requests go; nowhere without a service. */
  readonly target: ServiceTarget | undefined
  readonly pathRule: PathRule
  /** Where the route stands in the configuration, as `kong.yaml:12`. */
  place(): string
}

/** All that a request needs of the configuration. It is never changed: a reload makes another. */
export interface Snapshot {
  readonly router: RouteFinder<PreparedRoute>
  /** What that router was made of, to tell why a request fits a route or does not. */
  readonly routes: readonly PreparedRoute[]
  readonly routerFlavor: RouterFlavor
  readonly instances: readonly Instance[]
  /** For a request without a route: of the global plugins, only what follows the answer is run. */
  readonly globalPlan: Plan
  /** What the access log leaves out: the secret arguments of all plugins, since an address may be sent to a wrong route. */
  readonly secretArguments: ReadonlySet<string>
  /** What traces leave out: those, and the header fields that plugins name. */
  readonly secretNames: ReadonlySet<string>
}
