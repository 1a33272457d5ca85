// Import rules, checked by `npm run verify`. Arrows point one way:
// services → (adapters, bus, client, worker) → core → types.

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'types-depend-on-zod-only',
      severity: 'error',
      from: { path: '^packages/types/src/' },
      to: { pathNot: ['^packages/types/src/', '(^|/)node_modules/zod/'] },
    },
    {
      name: 'core-has-no-io',
      comment:
        'Decisions depend on types only, so that a simulator can run them: no package and no module of Node, but for the hashes of its crypto.',
      severity: 'error',
      from: { path: '^packages/core/src/' },
      to: { pathNot: ['^packages/core/src/', '^packages/types/src/', '^(node:)?crypto$'] },
    },
    {
      name: 'bus-knows-only-types',
      severity: 'error',
      from: { path: '^packages/bus/src/' },
      to: { path: '^(packages|services|examples)/', pathNot: ['^packages/bus/src/', '^packages/types/src/'] },
    },
    {
      name: 'packages-know-no-service',
      comment: 'But the client may load @poolmesh/up when it embeds a system, and only then.',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/client/(src|test)/' },
      to: { path: '^services/' },
    },
    {
      name: 'client-loads-services-only-on-demand',
      severity: 'error',
      from: { path: '^packages/client/src/' },
      to: { path: '^services/', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'client-loads-no-service-but-up',
      severity: 'error',
      from: { path: '^packages/client/src/' },
      to: { path: '^services/', pathNot: '^services/up/src/index\\.ts$' },
    },
    {
      name: 'services-know-no-other-service',
      comment: 'They meet on the bus. The supervisor alone starts them all.',
      severity: 'error',
      from: { path: '^services/([^/]+)/src/', pathNot: '^services/up/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'tests-are-not-imported',
      severity: 'error',
      from: { path: '^(packages|services|examples)/[^/]+/src/' },
      to: { path: '(^|/)test/', pathNot: 'node_modules' },
    },
    {
      name: 'kubernetes-library-only-on-demand',
      comment: 'It costs half a second and 65 MB: whoever has no Kubernetes pool does not pay for it.',
      severity: 'error',
      from: { path: '^(packages|services)/[^/]+/src/' },
      to: { path: '@kubernetes[/+]client-node', dependencyTypesNot: ['dynamic-import', 'type-only'] },
    },
    {
      name: 'mcp-library-in-one-file',
      severity: 'error',
      from: {
        path: '^(packages|services)/[^/]+/src/',
        pathNot: [
          '^packages/testkit/',
          '^packages/adapters/src/mcp/connection\\.ts$',
          '^packages/mcp/src/(http|server|stdio)\\.ts$',
        ],
      },
      to: { path: '@modelcontextprotocol[/+]sdk', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'mcp-library-only-on-demand',
      comment: 'It costs a third of a second and 34 MB: whoever has no MCP pool does not pay for it.',
      severity: 'error',
      from: {},
      to: {
        path: '^packages/adapters/src/mcp/connection\\.ts$',
        dependencyTypesNot: ['dynamic-import', 'type-only'],
      },
    },
    {
      name: 'no-testkit-in-products',
      severity: 'error',
      from: { path: '^(packages|services|examples)/[^/]+/src/', pathNot: '^packages/testkit/' },
      to: { path: '^packages/testkit/' },
    },
    {
      name: 'no-deep-imports',
      comment: 'A package is used through its index.ts.',
      severity: 'error',
      from: { path: '^(packages|services|examples)/([^/]+)/' },
      to: {
        path: '^(packages|services)/[^/]+/src/',
        pathNot: ['^$1/$2/', '^(packages|services)/[^/]+/src/index\\.ts$'],
      },
    },
    {
      name: 'no-deep-imports-from-outside',
      severity: 'error',
      from: { path: '^(test|bench|chaos)/' },
      to: { path: '^(packages|services)/[^/]+/src/', pathNot: '^(packages|services)/[^/]+/src/index\\.ts$' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only', 'dynamic-import'] } },
    },
    {
      name: 'nothing-unresolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['\\.poolmesh', '^(?!.*node_modules/).*/dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
    skipAnalysisNotInRules: true,
  },
}
